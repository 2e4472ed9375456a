// Gradients of one tile's splats. Walks front to back like the forward pass: the colour that is still to come behind a
// splat is what the pixel's gradient times its value leaves after subtracting what came before.
#pragma once

#include "tile.h"

namespace recon {

// With v = dL / d log(alpha) at a pixel and (dx, dy) the pixel's offset from the mean:
// sums over pixels of v, v dx, v dy, v dx^2, v dx dy, v dy^2; then the gradients of the features.
constexpr int kSums = 6 + kFeatures;

template <class Real>
struct ImageGradient {
  const Real *rgb, *depth, *alpha;     // the forward pass's
  const Real *v_rgb, *v_depth, *v_alpha;
};

template <class Real>
struct TileGradient {
  TilePlane<Real> v_features[kFeatures];  // of the sums of weight times feature
  TilePlane<Real> behind;                 // gradient times value of all that is still to come
};

// The depth is normalised: depth = sum / alpha, so the sum's gradient is v_depth / alpha and alpha's loses
// v_depth depth / alpha. Behind all splats comes the last transmittance, with the gradient -v_alpha.
template <class Real>
void read_tile(const TileWalk<Real>& walk, const Frame<Real>& frame, const ImageGradient<Real>& image,
               TileGradient<Real>& gradient) {
  std::memset(static_cast<void*>(&gradient), 0, sizeof(gradient));
  for (int row = 0; row < walk.rows; ++row)
    for (int column = 0; column < walk.columns; ++column) {
      const int64_t pixel = int64_t(walk.top + row) * frame.width + walk.left + column;
      Real behind = 0;
      for (int k = 0; k < 3; ++k) {
        const Real v = image.v_rgb[3 * pixel + k];
        gradient.v_features[k].at(row, column) = v;
        behind += v * image.rgb[3 * pixel + k];
      }
      const Real alpha = image.alpha[pixel];
      const Real v_sum = alpha > 0 ? image.v_depth[pixel] / alpha : Real(0);
      const Real v_sum_depth = v_sum * image.depth[pixel];
      gradient.v_features[3].at(row, column) = v_sum;
      behind += v_sum_depth * alpha;
      behind -= (image.v_alpha[pixel] - v_sum_depth) * frame.final_transmittance[pixel];
      gradient.behind.at(row, column) = behind;
    }
}

// The splat's sums over the tile's pixels, lane by lane.
template <class Real>
RECON_INLINE void add_splat_vjp(TileWalk<Real>& walk, TileGradient<Real>& gradient, const Splat<Real>& s,
                                uint64_t blocks, Vec<Real>* sums) {
  using V = Vec<Real>;
  for (; blocks; blocks &= blocks - 1) {
    const int block = __builtin_ctzll(blocks);
    Touch<Real> touch;
    touch.reach(walk, s, block);
    touch.evaluate(s, walk.transmittance.get(block));
    const V weight = select(touch.contributes, touch.alpha * touch.before, V{});
    V v_weight{};
    for (int k = 0; k < kFeatures; ++k) {
      const V v_feature = gradient.v_features[k].get(block);
      v_weight += v_feature * s.feature[k];
      sums[6 + k] += weight * v_feature;
    }
    const V behind = gradient.behind.get(block) - weight * v_weight;
    gradient.behind.set(block, behind);
    const V v_alpha = touch.before * v_weight - behind * reciprocal(Real(1) - touch.alpha);
    const V v = select(touch.moves(), v_alpha * touch.alpha, V{}), v_dx = v * touch.dx, v_dy = v * touch.dy;
    sums[0] += v;
    sums[1] += v_dx;
    sums[2] += v_dy;
    sums[3] += v_dx * touch.dx;
    sums[4] += v_dx * touch.dy;
    sums[5] += v_dy * touch.dy;
    walk.transmittance.set(block, touch.next_transmittance());
  }
}

// Writes the sums of every pair of the tile, each of which has this one writer. They are stored as `sum_lanes` leaves
// them, and one after another: gathering scattered values costs less than scattering them.
template <class Real>
void draw_tile_vjp(Frame<Real>& frame, int tile, const ImageGradient<Real>& image) {
  constexpr int stride = kSumStride<Real, kSums>;
  TileWalk<Real> walk(frame, tile);
  TileGradient<Real> gradient;
  read_tile(walk, frame, image, gradient);
  for (int64_t pair = frame.tile_begin[tile], end = frame.tile_begin[tile + 1]; pair < end; ++pair) {
    prefetch(frame, pair, end);
    Vec<Real> sums[kSums] = {};
    // What the forward pass saw is walked again, no more: it need not be searched for twice.
    if (const uint64_t blocks = frame.pair_blocks[pair])
      add_splat_vjp(walk, gradient, frame.splats[frame.pair_splats[pair]], blocks, sums);
    sum_lanes<Real, kSums>(sums, &frame.pair_gradients[pair * stride]);
  }
}

}  // namespace recon
