// Semi-global aggregation of a matching cost (Hirschmueller, PAMI 2008) along four paths. The specification is the torch
// code of recon/methods/priors/aggregation.py.
//
// Planes are the last axis, so that one step of a path is a few vectors next to each other. Paths to the right and left
// are shared out by rows, those down and up by strips of columns, which keep whole cache lines together.
#include <algorithm>
#include <limits>
#include <vector>

#include "numerics.h"
#include "parallel.h"
#include "simd.h"

namespace recon {
namespace {

using Floats = Vec<float>;
constexpr int kWidth = kLanes<float>;
constexpr int kStrip = 16;  // columns whose paths go down together
constexpr float kInfinity = std::numeric_limits<float>::infinity();

RECON_INLINE float least_lane(Floats v) {
  float least = v[0];
  for (int l = 1; l < kWidth; ++l) least = std::min(least, v[l]);
  return least;
}

// The costs that paths share, and the sum of what they find.
struct Volume {
  const float* cost;  // (h, w, planes)
  float* total;       // likewise; added to
  int width, height, planes;
  float small_step;
};

// A path: the aggregated cost of each plane at its last pixel. Before the first one it is zero, so that the first pixel
// has its own cost alone.
class Path {
 public:
  explicit Path(const Volume& volume) : volume_(volume), costs_(volume.planes + 2 * kWidth, kInfinity), next_(costs_) {
    std::fill_n(costs_.begin() + kWidth, volume.planes, 0.0f);
  }

  // Eq. 13: to the next pixel from the same plane, from a neighbour for the small step, or from any for `jump`.
  void extend(int row, int column, float jump) {
    const int64_t at = (int64_t(row) * volume_.width + column) * volume_.planes;
    const float *cost = volume_.cost + at, *last = costs_.data() + kWidth;
    float *total = volume_.total + at, *next = next_.data() + kWidth;
    Floats least = splat(kInfinity);
    for (int plane = 0; plane < volume_.planes; plane += kWidth) {
      const Floats neighbour = min(load(last + plane - 1), load(last + plane + 1)) + volume_.small_step;
      const Floats way = min(min(load(last + plane), neighbour), splat(cheapest_ + jump));
      // Without the subtraction the sums would grow along the path and lose precision.
      const Floats sum = way - cheapest_ + load(cost + plane);
      store(next + plane, sum);
      store(total + plane, load(total + plane) + sum);
      least = min(least, sum);
    }
    cheapest_ = least_lane(least);
    std::swap(costs_, next_);
  }

 private:
  const Volume& volume_;
  float cheapest_ = 0;
  std::vector<float> costs_, next_;  // with room on both sides, from where no way leads in
};

// jump: (h, w + 1), the price of entering a pixel from the left, or of leaving the one before to the right.
void aggregate_row(const Volume& volume, const float* jump, int row) {
  jump += int64_t(row) * (volume.width + 1);
  Path right(volume), left(volume);
  for (int x = 0; x < volume.width; ++x) right.extend(row, x, jump[x]);
  for (int x = volume.width - 1; x >= 0; --x) left.extend(row, x, jump[x + 1]);
}

// jump: (h + 1, w), likewise from above.
void aggregate_columns(const Volume& volume, const float* jump, int64_t begin, int64_t end) {
  std::vector<Path> down(end - begin, Path(volume)), up(down);
  for (int y = 0; y < volume.height; ++y)
    for (int64_t x = begin; x < end; ++x) down[x - begin].extend(y, x, jump[y * int64_t(volume.width) + x]);
  for (int y = volume.height - 1; y >= 0; --y)
    for (int64_t x = begin; x < end; ++x) up[x - begin].extend(y, x, jump[(y + 1) * int64_t(volume.width) + x]);
}

}  // namespace
}  // namespace recon

// cost, total: (h, w, planes), planes a multiple of 16, those that fill it up infinitely dear; jump_right: (h, w + 1) and
// jump_down: (h + 1, w), the price of a jump into a pixel from the one before, anything at the ends; total: zeros.
RECON_EXPORT void recon_aggregate_f32(int threads, const float* cost, int width, int height, int planes,
                                      const float* jump_right, const float* jump_down, double small_step,
                                      float* total) {
  using namespace recon;
  const Volume volume{cost, total, width, height, planes, static_cast<float>(small_step)};
  for_each(height, threads, [&](int row) { aggregate_row(volume, jump_right, row); });
  for_each_chunk(width, kStrip, threads,
                 [&](int, int64_t begin, int64_t end) { aggregate_columns(volume, jump_down, begin, end); });
}
