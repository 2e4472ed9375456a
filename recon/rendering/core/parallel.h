// Loops over independent pieces of work. What a piece writes must not depend on the thread that runs it: then
// one thread and many give the same bits.
#pragma once

#include <algorithm>
#include <cstdint>

namespace recon {

template <class Body>
void for_each(int count, int threads, const Body& body) {
  // Dynamic, because tiles and chunks differ much in cost.
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
  for (int i = 0; i < count; ++i) body(i);
}

// Splits [0, count) into pieces of `size` (the last one shorter): body(piece, begin, end).
template <class Body>
void for_each_chunk(int64_t count, int64_t size, int threads, const Body& body) {
  const int pieces = static_cast<int>((count + size - 1) / size);
  for_each(pieces, threads,
           [&](int piece) { body(piece, piece * size, std::min(count, (piece + 1) * size)); });
}

}  // namespace recon
