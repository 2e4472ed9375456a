// Draws one tile: colour, expected depth, alpha.
#pragma once

#include "tile.h"

namespace recon {

template <class Real>
struct Image {
  Real *rgb, *depth, *alpha;  // (h, w, 3), (h, w), (h, w)
};

template <class Real>
RECON_INLINE void add_splat(TileWalk<Real>& walk, const Splat<Real>& s, TilePlane<Real>* sums) {
  for (int strip = 0; strip < kStrips<Real>; ++strip) {
    uint32_t rows = walk.rows_of(s, strip);
    if (rows == 0) continue;
    const Vec<Real> dx = centres<Real>(walk.left + strip * kLanes<Real>) - s.x;
    const Vec<Real> flat = dx * dx * s.xx + s.log2_opacity, slope = dx * s.xy;
    for (; rows; rows &= rows - 1) {
      const int row = __builtin_ctz(rows);
      const Real dy = Real(walk.top + row) + Real(0.5) - s.y;
      const Vec<Real> exponent = flat + dy * (slope + s.yy * dy);
      Touch<Real> touch;
      touch.hit = exponent >= Real(kLog2MinAlpha);
      if (!any(touch.hit)) continue;
      touch.evaluate(exponent, s, walk.transmittance.get(row, strip));
      const Vec<Real> weight = touch.contributes ? touch.alpha * touch.before : Vec<Real>{};
      for (int k = 0; k < kFeatures; ++k) sums[k].set(row, strip, sums[k].get(row, strip) + weight * s.feature[k]);
      walk.transmittance.set(row, strip, touch.next_transmittance());
    }
  }
}

template <class Real>
void write_tile(const TileWalk<Real>& walk, const TilePlane<Real>* sums, Frame<Real>& frame, const Image<Real>& image) {
  for (int row = 0; row < walk.rows; ++row)
    for (int column = 0; column < walk.columns; ++column) {
      const int64_t pixel = int64_t(walk.top + row) * frame.width + walk.left + column;
      const Real transmittance = std::abs(walk.transmittance.values[row][column]), alpha = 1 - transmittance;
      for (int k = 0; k < 3; ++k) image.rgb[3 * pixel + k] = sums[k].values[row][column];
      image.depth[pixel] = sums[3].values[row][column] / std::max(alpha, Real(1e-10));
      image.alpha[pixel] = alpha;
      frame.final_transmittance[pixel] = transmittance;
    }
}

template <class Real>
void draw_tile(Frame<Real>& frame, int tile, const Image<Real>& image) {
  TileWalk<Real> walk(frame, tile);
  TilePlane<Real> sums[kFeatures] = {};
  const int64_t begin = frame.tile_begin[tile], end = frame.tile_begin[tile + 1];
  for (int64_t pair = begin; pair < end; ++pair) {
    add_splat(walk, frame.splats[frame.tile_splats[pair]], sums);
    if ((pair - begin) % kSplatsBetweenChecks == kSplatsBetweenChecks - 1 && walk.ended()) break;
  }
  write_tile(walk, sums, frame, image);
}

}  // namespace recon
