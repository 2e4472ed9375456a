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
        gradient.v_features[k].values[row][column] = v;
        behind += v * image.rgb[3 * pixel + k];
      }
      const Real alpha = image.alpha[pixel];
      const Real v_sum = alpha > 0 ? image.v_depth[pixel] / alpha : Real(0);
      const Real v_sum_depth = v_sum * image.depth[pixel];
      gradient.v_features[3].values[row][column] = v_sum;
      behind += v_sum_depth * alpha;
      behind -= (image.v_alpha[pixel] - v_sum_depth) * frame.final_transmittance[pixel];
      gradient.behind.values[row][column] = behind;
    }
}

// Adds to `sums` the splat's share of one strip; false if it touches nothing there.
template <class Real>
RECON_INLINE bool add_strip(TileWalk<Real>& walk, TileGradient<Real>& gradient, const Splat<Real>& s, int strip,
                            Vec<Real>* sums) {
  using V = Vec<Real>;
  uint32_t rows = walk.rows_of(s, strip);
  const V dx = centres<Real>(walk.left + strip * kLanes<Real>) - s.x;
  const V flat = dx * dx * s.xx + s.log2_opacity, slope = dx * s.xy;
  V sum_v{}, sum_v_dy{}, sum_v_dy2{};
  bool touched = false;
  for (; rows; rows &= rows - 1) {
    const int row = __builtin_ctz(rows);
    const Real dy = Real(walk.top + row) + Real(0.5) - s.y;
    const V exponent = flat + dy * (slope + s.yy * dy);
    Touch<Real> touch;
    touch.hit = exponent >= Real(kLog2MinAlpha);
    if (!any(touch.hit)) continue;
    touched = true;
    touch.evaluate(exponent, s, walk.transmittance.get(row, strip));
    const V weight = touch.contributes ? touch.alpha * touch.before : V{};
    V v_weight{};
    for (int k = 0; k < kFeatures; ++k) {
      const V v_feature = gradient.v_features[k].get(row, strip);
      v_weight += v_feature * s.feature[k];
      sums[6 + k] += weight * v_feature;
    }
    const V behind = gradient.behind.get(row, strip) - weight * v_weight;
    gradient.behind.set(row, strip, behind);
    const V v_alpha = touch.before * v_weight - behind * reciprocal(Real(1) - touch.alpha);
    const Mask<Real> moves = touch.contributes & (touch.unclamped <= Real(kMaxAlpha));
    const V v = moves ? v_alpha * touch.alpha : V{};
    const V v_dy = v * dy;
    sum_v += v;
    sum_v_dy += v_dy;
    sum_v_dy2 += v_dy * dy;
    walk.transmittance.set(row, strip, touch.next_transmittance());
  }
  const V v_dx = sum_v * dx;
  sums[0] += sum_v;
  sums[1] += v_dx;
  sums[2] += sum_v_dy;
  sums[3] += v_dx * dx;
  sums[4] += sum_v_dy * dx;
  sums[5] += sum_v_dy2;
  return touched;
}

// Writes the gradients of every pair of the tile to its slot; each slot has one writer, whatever the thread.
template <class Real>
void draw_tile_vjp(Frame<Real>& frame, int tile, const ImageGradient<Real>& image) {
  constexpr int stride = kSumStride<Real, kSums>;
  TileWalk<Real> walk(frame, tile);
  TileGradient<Real> gradient;
  read_tile(walk, frame, image, gradient);
  const int64_t begin = frame.tile_begin[tile], end = frame.tile_begin[tile + 1];
  bool ended = false;
  for (int64_t pair = begin; pair < end; ++pair) {
    Real* slot = frame.pair_gradients.data() + int64_t(frame.tile_slots[pair]) * stride;
    bool touched = false;
    if (!ended) {
      const Splat<Real>& s = frame.splats[frame.tile_splats[pair]];
      Vec<Real> sums[kSums] = {};
      for (int strip = 0; strip < kStrips<Real>; ++strip) touched |= add_strip(walk, gradient, s, strip, sums);
      if (touched) sum_lanes<Real, kSums>(sums, slot);
      if ((pair - begin) % kSplatsBetweenChecks == kSplatsBetweenChecks - 1) ended = walk.ended();
    }
    if (!touched) std::fill_n(slot, stride, Real(0));
  }
}

}  // namespace recon
