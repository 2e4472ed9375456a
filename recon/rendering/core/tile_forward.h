// Draws one tile: colour, expected depth, alpha.
#pragma once

#include "tile.h"

namespace recon {

template <class Real>
struct Image {
  Real *rgb, *depth, *alpha;  // (h, w, 3), (h, w), (h, w)
};

// The blocks in which the splat is seen.
template <class Real>
RECON_INLINE uint64_t add_splat(TileWalk<Real>& walk, const Splat<Real>& s, TilePlane<Real>* sums) {
  uint64_t seen = 0;
  for (uint64_t blocks = walk.blocks_of(s); blocks; blocks &= blocks - 1) {
    const int block = __builtin_ctzll(blocks);
    Touch<Real> touch;
    if (!touch.reach(walk, s, block)) continue;
    seen |= blocks & -blocks;
    touch.evaluate(s, walk.transmittance.get(block));
    const Vec<Real> weight = select(touch.contributes, touch.alpha * touch.before, Vec<Real>{});
    for (int k = 0; k < kFeatures; ++k) sums[k].set(block, sums[k].get(block) + weight * s.feature[k]);
    walk.transmittance.set(block, touch.next_transmittance());
  }
  return seen;
}

template <class Real>
void write_tile(TileWalk<Real>& walk, TilePlane<Real>* sums, Frame<Real>& frame, const Image<Real>& image) {
  for (int row = 0; row < walk.rows; ++row)
    for (int column = 0; column < walk.columns; ++column) {
      const int64_t pixel = int64_t(walk.top + row) * frame.width + walk.left + column;
      const Real transmittance = std::abs(walk.transmittance.at(row, column)), alpha = 1 - transmittance;
      for (int k = 0; k < 3; ++k) image.rgb[3 * pixel + k] = sums[k].at(row, column);
      image.depth[pixel] = sums[3].at(row, column) / std::max(alpha, Real(1e-10));
      image.alpha[pixel] = alpha;
      frame.final_transmittance[pixel] = transmittance;
    }
}

template <class Real>
void draw_tile(Frame<Real>& frame, int tile, const Image<Real>& image) {
  TileWalk<Real> walk(frame, tile);
  TilePlane<Real> sums[kFeatures] = {};
  const int64_t begin = frame.tile_begin[tile], end = frame.tile_begin[tile + 1];
  int64_t pair = begin;
  for (bool ended = false; pair < end && !ended; ++pair) {
    prefetch(frame, pair, end);
    const Splat<Real> s = frame.splats[frame.pair_splats[pair]];
    frame.pair_blocks[pair] = add_splat(walk, s, sums);
    if ((pair - begin) % kSplatsBetweenChecks == kSplatsBetweenChecks - 1) ended = walk.ended();
  }
  std::fill(&frame.pair_blocks[pair], &frame.pair_blocks[end], uint64_t(0));
  write_tile(walk, sums, frame, image);
}

}  // namespace recon
