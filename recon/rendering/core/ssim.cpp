// The map of structural similarity (SSIM, Wang et al. 2004) as 3D Gaussian Splatting computes it: an 11x11 Gaussian
// window of deviation 1.5, zeros outside the image, channels apart and then averaged.
//
// Each output row is made by itself: 11 rows are blended into one row of moments, still in the registers' reach, which
// is then blurred along x. Channels stay interleaved, so blurring along x steps by three.
#include <cmath>
#include <vector>

#include "numerics.h"
#include "parallel.h"

namespace recon {
namespace {

constexpr int kRadius = 5, kWindow = 2 * kRadius + 1, kChannels = 3, kPad = kRadius * kChannels;
constexpr float kC1 = 0.01f * 0.01f, kC2 = 0.03f * 0.03f;  // (0.01 L)^2 and (0.03 L)^2 for the range L = 1

struct Window {
  float weight[kWindow];
  Window() {
    double sum = 0, w[kWindow];
    for (int k = 0; k < kWindow; ++k) sum += w[k] = std::exp(-(k - kRadius) * (k - kRadius) / (2 * 1.5 * 1.5));
    for (int k = 0; k < kWindow; ++k) weight[k] = static_cast<float>(w[k] / sum);
  }
};

// `Maps` rows with a margin of zeros at both ends.
template <int Maps>
struct PaddedRows {
  int64_t length;
  std::vector<float> values;
  explicit PaddedRows(int64_t length) : length(length), values(Maps * (length + 2 * kPad), 0.0f) {}
  float* row(int map) { return values.data() + map * (length + 2 * kPad) + kPad; }
};

// Blurs a padded row along x.
void blur_row(const Window& window, const float* __restrict row, int64_t length, float* __restrict out) {
  for (int64_t i = 0; i < length; ++i) {
    float sum = 0;
    for (int k = 0; k < kWindow; ++k) sum += window.weight[k] * row[i + (k - kRadius) * kChannels];
    out[i] = sum;
  }
}

// Calls add(weight, row) for the rows of the image under the window around row y.
template <class Add>
void for_window_rows(const Window& window, int y, int height, const Add& add) {
  for (int k = std::max(0, kRadius - y); k < std::min(kWindow, height + kRadius - y); ++k)
    add(window.weight[k], y + k - kRadius);
}

// Window-weighted sums down the columns of a, b, a^2, b^2, ab.
void blend_moments(const Window& window, const float* a, const float* b, int y, int height, PaddedRows<5>& out) {
  constexpr int kBlock = 64;  // values whose five sums stay in registers or nearby
  const int64_t length = out.length;
  for (int64_t begin = 0; begin < length; begin += kBlock) {
    const int size = static_cast<int>(std::min<int64_t>(kBlock, length - begin));
    float sum[5][kBlock] = {};
    for_window_rows(window, y, height, [&](float weight, int row) {
      const float *p = a + row * length + begin, *q = b + row * length + begin;
      for (int i = 0; i < size; ++i) {
        const float wp = weight * p[i], wq = weight * q[i];
        sum[0][i] += wp;
        sum[1][i] += wq;
        sum[2][i] += wp * p[i];
        sum[3][i] += wq * q[i];
        sum[4][i] += wp * q[i];
      }
    });
    for (int map = 0; map < 5; ++map) std::copy_n(sum[map], size, out.row(map) + begin);
  }
}

// SSIM of each value from the blurred moments; with `partials`, its derivatives by mean(a), mean(a^2), mean(ab).
void compare(const PaddedRows<5>& blurred_rows, int64_t length, float* __restrict similarity, float* const* partials) {
  PaddedRows<5>& blurred = const_cast<PaddedRows<5>&>(blurred_rows);
  const float *ma = blurred.row(0), *mb = blurred.row(1), *maa = blurred.row(2), *mbb = blurred.row(3),
              *mab = blurred.row(4);
  for (int64_t i = 0; i < length; ++i) {
    const float ab = ma[i] * mb[i], squares = ma[i] * ma[i] + mb[i] * mb[i];
    const float luminance = 2 * ab + kC1, luminance_norm = squares + kC1;
    const float contrast = 2 * (mab[i] - ab) + kC2, contrast_norm = maa[i] + mbb[i] - squares + kC2;
    const float norm = 1 / (luminance_norm * contrast_norm);
    const float s = luminance * contrast * norm;
    similarity[i] = s;
    if (partials == nullptr) continue;
    // s = luminance contrast / (luminance_norm contrast_norm), all four of which depend on mean(a).
    partials[0][i] = 2 * (mb[i] * (contrast - luminance) * norm + ma[i] * s * (1 / contrast_norm - 1 / luminance_norm));
    partials[1][i] = -s / contrast_norm;
    partials[2][i] = 2 * luminance * norm;
  }
}

// a, b: (h, w, 3); map: (h, w); partials: (3, h, w, 3), or null if no gradient is wanted.
void ssim(int threads, const float* a, const float* b, int width, int height, float* map, float* partials) {
  const Window window;
  const int64_t length = int64_t(width) * kChannels, plane = length * height;
  for_each_chunk(height, 8, threads, [&](int, int64_t begin, int64_t end) {
    PaddedRows<5> blended(length), blurred(length);
    std::vector<float> similarity(length);
    for (int64_t y = begin; y < end; ++y) {
      blend_moments(window, a, b, static_cast<int>(y), height, blended);
      for (int k = 0; k < 5; ++k) blur_row(window, blended.row(k), length, blurred.row(k));
      float* rows[3] = {partials + y * length, partials + plane + y * length, partials + 2 * plane + y * length};
      compare(blurred, length, similarity.data(), partials ? rows : nullptr);
      for (int x = 0; x < width; ++x)
        map[y * width + x] = (similarity[3 * x] + similarity[3 * x + 1] + similarity[3 * x + 2]) / kChannels;
    }
  });
}

// The window is symmetric and the border zero, so blurring is its own adjoint:
// v_a = blur(v p0) + 2 a blur(v p1) + b blur(v p2), with v the map's gradient over the three channels.
void ssim_vjp(int threads, const float* a, const float* b, int width, int height, const float* partials,
              const float* v_map, float* v_a) {
  const Window window;
  const int64_t length = int64_t(width) * kChannels, plane = length * height;
  for_each_chunk(height, 8, threads, [&](int, int64_t begin, int64_t end) {
    PaddedRows<3> blended(length);
    std::vector<float> v(length), blurred(3 * length);
    for (int64_t y = begin; y < end; ++y) {
      std::fill(blended.values.begin(), blended.values.end(), 0.0f);
      for_window_rows(window, static_cast<int>(y), height, [&](float weight, int row) {
        for (int x = 0; x < width; ++x)
          for (int c = 0; c < kChannels; ++c) v[3 * x + c] = weight / kChannels * v_map[int64_t(row) * width + x];
        for (int map = 0; map < 3; ++map) {
          const float* p = partials + map * plane + row * length;
          float* out = blended.row(map);
          for (int64_t i = 0; i < length; ++i) out[i] += v[i] * p[i];
        }
      });
      for (int map = 0; map < 3; ++map) blur_row(window, blended.row(map), length, blurred.data() + map * length);
      for (int64_t i = 0; i < length; ++i)
        v_a[y * length + i] = blurred[i] + 2 * a[y * length + i] * blurred[length + i] +
                              b[y * length + i] * blurred[2 * length + i];
    }
  });
}

}  // namespace
}  // namespace recon

RECON_EXPORT void recon_ssim_f32(int threads, const float* a, const float* b, int width, int height, float* map,
                                 float* partials) {
  recon::ssim(threads, a, b, width, height, map, partials);
}

RECON_EXPORT void recon_ssim_vjp_f32(int threads, const float* a, const float* b, int width, int height,
                                     const float* partials, const float* v_map, float* v_a) {
  recon::ssim_vjp(threads, a, b, width, height, partials, v_map, v_a);
}
