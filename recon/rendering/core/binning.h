// Which splats each tile draws, in order of depth.
#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include "buffer.h"
#include "numerics.h"
#include "parallel.h"

namespace recon {

// What a tile needs of one Gaussian; 60 bytes in float, so one cache line each.
template <class Real>
struct alignas(16 * sizeof(Real)) Splat {
  Real x, y;           // mean in pixels
  Real xx, xy, yy;     // log2 alpha = log2_opacity + xx dx^2 + xy dx dy + yy dy^2
  Real log2_opacity;
  Real feature[kFeatures];
  int32_t first_row, last_row, first_column, last_column;  // pixels that alpha >= kMinAlpha can reach
  uint32_t index;                                          // of the Gaussian
};

// Everything the backward pass has to know of a forward pass. Pairs (splat, tile) are numbered tile by tile and in
// order of depth; `splat_pairs` lists the numbers again splat by splat, to sum what the tiles found.
template <class Real>
struct Frame {
  int width, height, columns, rows;   // pixels, tiles
  int64_t count;                      // Gaussians, drawn or not
  int drawn;                          // splats
  Buffer<Splat<Real>> splats;         // front to back
  Buffer<int64_t> tile_begin;         // where a tile's pairs begin; one more than there are tiles
  Buffer<uint32_t> pair_splats;       // the splat of a pair
  Buffer<uint64_t> pair_blocks;       // bits: blocks of the tile in which the splat is seen
  Buffer<int64_t> splat_begin;        // where a splat's pairs begin in `splat_pairs`; one more than splats
  Buffer<uint32_t> splat_pairs;
  Buffer<Real> final_transmittance;   // (h, w)
  Buffer<Real> pair_gradients;        // by pair
  // Scratch.
  Buffer<uint32_t> keys[2], order[2];
  std::vector<std::vector<uint32_t>> chunk_tiles;    // per chunk of splats: the tiles of each, one after another
  std::vector<std::vector<uint32_t>> chunk_cursors;  // per chunk and tile: how many pairs, then where the next goes

  int tiles() const { return columns * rows; }
};

// Indices of the drawn Gaussians by depth. As in gsplat the key is the depth in single precision (the bits of positive
// floats sort as integers), and equal depths keep the order of the input.
template <class Real>
const uint32_t* order_by_depth(Frame<Real>& frame, const int32_t* radii, const Real* features) {
  uint32_t* keys = frame.keys[0].resize(frame.count);
  uint32_t* order = frame.order[0].resize(frame.count);
  uint32_t* next_keys = frame.keys[1].resize(frame.count);
  uint32_t* next_order = frame.order[1].resize(frame.count);
  frame.drawn = 0;
  for (int64_t i = 0; i < frame.count; ++i) {
    if (radii[2 * i] == 0) continue;
    const float depth = static_cast<float>(features[kFeatures * i + 3]);
    std::memcpy(&keys[frame.drawn], &depth, sizeof(depth));
    order[frame.drawn++] = static_cast<uint32_t>(i);
  }
  constexpr int kBits = 11, kBuckets = 1 << kBits;  // three stable passes cover 32 bits
  for (int shift = 0; shift < 32; shift += kBits) {
    uint32_t begin[kBuckets + 1] = {};
    for (int i = 0; i < frame.drawn; ++i) ++begin[(keys[i] >> shift) % kBuckets + 1];
    for (int b = 0; b < kBuckets; ++b) begin[b + 1] += begin[b];
    for (int i = 0; i < frame.drawn; ++i) {
      const uint32_t to = begin[(keys[i] >> shift) % kBuckets]++;
      next_keys[to] = keys[i];
      next_order[to] = order[i];
    }
    std::swap(keys, next_keys);
    std::swap(order, next_order);
  }
  return order;
}

// First pixel whose centre is not before `from`, last whose centre is not after `to`, within [0, size). Rounding may
// widen the range a little: pixels that it holds in excess are cut by their alpha.
template <class Real>
void pixel_range(Real from, Real to, int size, int32_t& first, int32_t& last) {
  constexpr Real kSlack = Real(0.01);
  first = static_cast<int32_t>(std::ceil(std::min(std::max(from - Real(0.5) - kSlack, Real(0)), Real(size))));
  last = static_cast<int32_t>(std::floor(std::max(std::min(to - Real(0.5) + kSlack, Real(size - 1)), Real(-1))));
}

template <class Real>
Splat<Real> make_splat(uint32_t i, const Real* means2d, const Real* conics, const Real* features, const Real* opacities,
                       const Real* extents, int width, int height) {
  Splat<Real> s;
  s.index = i;
  s.x = means2d[2 * i], s.y = means2d[2 * i + 1];
  s.xx = Real(-0.5 * kLog2E) * conics[3 * i];
  s.xy = Real(-kLog2E) * conics[3 * i + 1];
  s.yy = Real(-0.5 * kLog2E) * conics[3 * i + 2];
  s.log2_opacity = std::log2(opacities[i]);
  for (int k = 0; k < kFeatures; ++k) s.feature[k] = features[kFeatures * i + k];
  pixel_range(s.x - extents[2 * i], s.x + extents[2 * i], width, s.first_column, s.last_column);
  pixel_range(s.y - extents[2 * i + 1], s.y + extents[2 * i + 1], height, s.first_row, s.last_row);
  return s;
}

// Calls visit(tile) for the tiles that the splat's ellipse touches. In the box of a slanted needle most tiles are empty,
// so each row of tiles takes the ellipse's own range of columns:
//   dx(dy) = -(B / A) dy +- sqrt(k / A) sqrt(1 - (dy / extent_y)^2),  k = 2 log(255 opacity), conic (A, B, C),
// whose right end is farthest at dy = -(B / C) extent_x and whose left end at the opposite dy.
template <class Real, class Visit>
void visit_tiles(const Splat<Real>& s, Real extent_x, Real extent_y, int columns, int width, const Visit& visit) {
  if (s.first_row > s.last_row || s.first_column > s.last_column) return;
  const int first_tile_row = s.first_row / kTile, last_tile_row = s.last_row / kTile;
  const Real slope = -s.xy / (2 * s.xx), top_of_right = -s.xy / (2 * s.yy) * extent_x;
  const Real half = std::sqrt((s.log2_opacity - Real(kLog2MinAlpha)) / -s.xx);
  const auto half_at = [&](Real dy) { return half * std::sqrt(std::max(Real(0), 1 - dy * dy / (extent_y * extent_y))); };
  for (int row = first_tile_row; row <= last_tile_row; ++row) {
    int32_t first = s.first_column, last = s.last_column;
    if (first_tile_row != last_tile_row && first / kTile != last / kTile) {
      const Real top = Real(std::max(row * kTile, s.first_row)) + Real(0.5) - s.y;
      const Real bottom = Real(std::min(row * kTile + kTile - 1, s.last_row)) + Real(0.5) - s.y;
      const Real dy_right = std::min(std::max(top_of_right, top), bottom);
      const Real dy_left = std::min(std::max(-top_of_right, top), bottom);
      const Real right = s.x + slope * dy_right + half_at(dy_right), left = s.x + slope * dy_left - half_at(dy_left);
      if (left <= right) {  // false for the NaNs of a degenerate ellipse: then the box holds
        int32_t first_touched, last_touched;
        pixel_range(left, right, width, first_touched, last_touched);
        first = std::max(first, first_touched), last = std::min(last, last_touched);
        if (first > last) continue;
      }
    }
    for (int column = first / kTile; column <= last / kTile; ++column) visit(row * columns + column);
  }
}

constexpr int kAhead = 8;  // how many splats before its use a row is asked for: neighbours in depth lie apart in memory
constexpr int kSplatChunks = 64;  // fixed, so that the lists do not depend on the number of threads

// Fills the frame's splats and pair lists.
template <class Real>
void bin(Frame<Real>& frame, int threads, const Real* means2d, const Real* conics, const Real* features,
         const Real* opacities, const int32_t* radii, const Real* extents) {
  const uint32_t* order = order_by_depth(frame, radii, features);
  Splat<Real>* splats = frame.splats.resize(frame.drawn);
  int64_t* splat_begin = frame.splat_begin.resize(frame.drawn + 1);
  int64_t* tile_begin = frame.tile_begin.resize(frame.tiles() + 1);
  frame.chunk_tiles.resize(kSplatChunks);
  frame.chunk_cursors.resize(kSplatChunks);
  const int64_t size = frame.drawn / kSplatChunks + 1;

  for (auto& cursors : frame.chunk_cursors) cursors.assign(frame.tiles(), 0);
  for_each_chunk(frame.drawn, size, threads, [&](int chunk, int64_t begin, int64_t end) {
    // Its own while it grows: the lists lie side by side, and threads would fight over the cache line of their ends.
    std::vector<uint32_t> tiles = std::move(frame.chunk_tiles[chunk]);
    uint32_t* const counts = frame.chunk_cursors[chunk].data();
    tiles.clear();
    for (int64_t s = begin; s < end; ++s) {
      const int64_t ahead = order[std::min(s + kAhead, end - 1)];
      for (const Real* row : {means2d + 2 * ahead, conics + 3 * ahead, features + kFeatures * ahead, opacities + ahead,
                              extents + 2 * ahead})
        __builtin_prefetch(row);
      const uint32_t i = order[s];
      splats[s] = make_splat(i, means2d, conics, features, opacities, extents, frame.width, frame.height);
      const size_t before = tiles.size();
      visit_tiles(splats[s], extents[2 * i], extents[2 * i + 1], frame.columns, frame.width, [&](int tile) {
        tiles.push_back(tile);
        ++counts[tile];
      });
      splat_begin[s + 1] = tiles.size() - before;
    }
    frame.chunk_tiles[chunk] = std::move(tiles);
  });

  // Counts become positions: pairs are ordered by tile, then by chunk, then by splat.
  int64_t pairs = 0;
  for (int tile = 0; tile < frame.tiles(); ++tile) {
    tile_begin[tile] = pairs;
    for (auto& cursors : frame.chunk_cursors) {
      const uint32_t count = cursors[tile];
      cursors[tile] = static_cast<uint32_t>(pairs);
      pairs += count;
    }
  }
  tile_begin[frame.tiles()] = pairs;
  if (pairs > UINT32_MAX) throw std::bad_alloc();  // positions are 32 bits; their lists alone would take 34 GB
  splat_begin[0] = 0;
  for (int s = 0; s < frame.drawn; ++s) splat_begin[s + 1] += splat_begin[s];

  frame.pair_blocks.resize(pairs);
  uint32_t* pair_splats = frame.pair_splats.resize(pairs);
  uint32_t* splat_pairs = frame.splat_pairs.resize(pairs);
  for_each_chunk(frame.drawn, size, threads, [&](int chunk, int64_t begin, int64_t end) {
    const uint32_t* tile = frame.chunk_tiles[chunk].data();
    auto& cursors = frame.chunk_cursors[chunk];
    for (int64_t s = begin; s < end; ++s)
      for (int64_t k = splat_begin[s]; k < splat_begin[s + 1]; ++k) {
        splat_pairs[k] = cursors[*tile++]++;
        pair_splats[splat_pairs[k]] = static_cast<uint32_t>(s);
      }
  });
}

}  // namespace recon
