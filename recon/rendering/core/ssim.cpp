// The map of structural similarity (SSIM, Wang et al. 2004) as 3D Gaussian Splatting computes it: an 11x11 Gaussian
// window of deviation 1.5, zeros outside the image, channels apart and then averaged.
//
// Each output row is made by itself: 11 rows are blended into one row of moments, vector by vector in registers, which
// is then blurred along x. Channels stay interleaved, so blurring along x steps by three.
#include <cmath>
#include <vector>

#include "numerics.h"
#include "parallel.h"
#include "simd.h"

namespace recon {
namespace {

constexpr int kRadius = 5, kWindow = 2 * kRadius + 1, kChannels = 3, kPad = kRadius * kChannels;
constexpr float kC1 = 0.01f * 0.01f, kC2 = 0.03f * 0.03f;  // (0.01 L)^2 and (0.03 L)^2 for the range L = 1
constexpr int64_t kRows = 16;                              // of a piece of work

using Floats = Vec<float>;
constexpr int64_t kWidth = kLanes<float>;

struct Window {
  float weight[kWindow];
  Window() {
    double sum = 0, w[kWindow];
    for (int k = 0; k < kWindow; ++k) sum += w[k] = std::exp(-(k - kRadius) * (k - kRadius) / (2 * 1.5 * 1.5));
    for (int k = 0; k < kWindow; ++k) weight[k] = static_cast<float>(w[k] / sum);
  }
};

// `Maps` rows with a margin of zeros before them, and one behind that also takes the last vector's excess.
template <int Maps>
struct PaddedRows {
  int64_t stride;
  std::vector<float> values;
  explicit PaddedRows(int64_t length) : stride(length + 2 * kPad + kWidth), values(Maps * stride, 0.0f) {}
  float* row(int map) { return values.data() + map * stride + kPad; }
};

// The vector at `at` of a padded row, blurred along x.
RECON_INLINE Floats blur(const Window& window, const float* at) {
  Floats sum{};
  for (int k = 0; k < kWindow; ++k) sum += window.weight[k] * load(at + (k - kRadius) * kChannels);
  return sum;
}

// Calls add(weight, row) for the rows of the image under the window around row y.
template <class Add>
RECON_INLINE void for_window_rows(const Window& window, int64_t y, int64_t height, const Add& add) {
  const int64_t end = std::min<int64_t>(kWindow, height + kRadius - y);
  for (int64_t k = std::max<int64_t>(0, kRadius - y); k < end; ++k) add(window.weight[k], y + k - kRadius);
}

// Window-weighted sums down the columns of a, b, a^2, b^2, ab.
void blend_moments(const Window& window, const float* a, const float* b, int64_t y, int64_t length, int64_t height,
                   PaddedRows<5>& out) {
  for (int64_t i = 0; i < length; i += kWidth) {
    Floats sum[5] = {};
    for_window_rows(window, y, height, [&](float weight, int64_t row) {
      const Floats p = load_first(a + row * length + i, length - i), q = load_first(b + row * length + i, length - i);
      const Floats wp = weight * p, wq = weight * q;
      sum[0] += wp;
      sum[1] += wq;
      sum[2] += wp * p;
      sum[3] += wq * q;
      sum[4] += wp * q;
    });
    for (int map = 0; map < 5; ++map) store(out.row(map) + i, sum[map]);
  }
}

struct Similarity {
  Floats value, by_a, by_aa, by_ab;  // and its derivatives by mean(a), mean(a^2), mean(ab)
};

// From the moments mean(a), mean(b), mean(a^2), mean(b^2), mean(ab).
RECON_INLINE Similarity compare(const Floats* mean) {
  const Floats ab = mean[0] * mean[1], squares = mean[0] * mean[0] + mean[1] * mean[1];
  const Floats luminance = 2 * ab + kC1, luminance_norm = squares + kC1;
  const Floats contrast = 2 * (mean[4] - ab) + kC2, contrast_norm = mean[2] + mean[3] - squares + kC2;
  const Floats norm = 1 / (luminance_norm * contrast_norm);
  Similarity s;
  // value = luminance contrast / (luminance_norm contrast_norm), all four of which depend on mean(a).
  s.value = luminance * contrast * norm;
  s.by_a = 2 * (mean[1] * (contrast - luminance) + mean[0] * s.value * (luminance_norm - contrast_norm)) * norm;
  s.by_aa = -s.value * luminance_norm * norm;
  s.by_ab = 2 * luminance * norm;
  return s;
}

// a, b: (h, w, 3); map: (h, w); partials: (3, h, w, 3), or null if no gradient is wanted.
void ssim(int threads, const float* a, const float* b, int width, int height, float* map, float* partials) {
  const Window window;
  const int64_t length = int64_t(width) * kChannels, plane = length * height;
  for_each_chunk(height, kRows, threads, [&](int, int64_t begin, int64_t end) {
    PaddedRows<5> blended(length);
    PaddedRows<1> similarity(length);
    for (int64_t y = begin; y < end; ++y) {
      blend_moments(window, a, b, y, length, height, blended);
      for (int64_t i = 0; i < length; i += kWidth) {
        Floats mean[5];
        for (int k = 0; k < 5; ++k) mean[k] = blur(window, blended.row(k) + i);
        const Similarity s = compare(mean);
        store(similarity.row(0) + i, s.value);
        if (partials == nullptr) continue;
        float* at = partials + y * length + i;
        store_first(at, s.by_a, length - i);
        store_first(at + plane, s.by_aa, length - i);
        store_first(at + 2 * plane, s.by_ab, length - i);
      }
      const float* s = similarity.row(0);
      for (int x = 0; x < width; ++x) map[y * width + x] = (s[3 * x] + s[3 * x + 1] + s[3 * x + 2]) / kChannels;
    }
  });
}

// The window is symmetric and the border zero, so blurring is its own adjoint:
// v_a = blur(v p0) + 2 a blur(v p1) + b blur(v p2), with v the map's gradient over the three channels.
void ssim_vjp(int threads, const float* a, const float* b, int width, int height, const float* partials,
              const float* v_map, float* v_a) {
  const Window window;
  const int64_t length = int64_t(width) * kChannels, plane = length * height;
  for_each_chunk(height, kRows, threads, [&](int, int64_t begin, int64_t end) {
    // v for every value of the rows that the windows of this piece reach.
    const int64_t first = std::max<int64_t>(0, begin - kRadius), last = std::min<int64_t>(height, end + kRadius);
    std::vector<float> v((last - first) * length);
    for (int64_t pixel = 0; pixel < (last - first) * width; ++pixel)
      for (int c = 0; c < kChannels; ++c) v[kChannels * pixel + c] = v_map[first * width + pixel] / kChannels;

    PaddedRows<3> blended(length);
    for (int64_t y = begin; y < end; ++y) {
      for (int64_t i = 0; i < length; i += kWidth) {
        Floats sum[3] = {};
        for_window_rows(window, y, height, [&](float weight, int64_t row) {
          const Floats weighted = weight * load_first(&v[(row - first) * length + i], length - i);
          for (int k = 0; k < 3; ++k)
            sum[k] += weighted * load_first(partials + k * plane + row * length + i, length - i);
        });
        for (int k = 0; k < 3; ++k) store(blended.row(k) + i, sum[k]);
      }
      for (int64_t i = 0; i < length; i += kWidth) {
        const int64_t at = y * length + i;
        const Floats p = load_first(a + at, length - i), q = load_first(b + at, length - i);
        store_first(v_a + at,
                    blur(window, blended.row(0) + i) + 2 * p * blur(window, blended.row(1) + i) +
                        q * blur(window, blended.row(2) + i),
                    length - i);
      }
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
