// From splats to the image, and back.
#include <memory>
#include <mutex>

#include "tile_backward.h"
#include "tile_forward.h"

namespace recon {
namespace {

// Frames that were released, for their memory: a step needs the same arrays again.
template <class Real>
class FramePool {
 public:
  std::unique_ptr<Frame<Real>> take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) return std::make_unique<Frame<Real>>();
    std::unique_ptr<Frame<Real>> frame = std::move(free_.back());
    free_.pop_back();
    return frame;
  }
  void give(std::unique_ptr<Frame<Real>> frame) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(std::move(frame));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Frame<Real>>> free_;
};

template <class Real>
FramePool<Real>& pool() {
  static FramePool<Real>* const instance = new FramePool<Real>;  // never destroyed: Python may release at exit
  return *instance;
}

template <class Real>
struct SplatInput {
  const Real *means2d, *conics, *features, *opacities;
};

template <class Real>
struct SplatGradient {
  Real *means2d, *conics, *features, *opacities;
};

template <class Real>
Frame<Real>* composite(int threads, int64_t count, const SplatInput<Real>& in, const int32_t* radii,
                       const Real* extents, int width, int height, const Image<Real>& image) {
  std::unique_ptr<Frame<Real>> frame = pool<Real>().take();
  frame->width = width, frame->height = height;
  frame->columns = (width + kTile - 1) / kTile, frame->rows = (height + kTile - 1) / kTile;
  frame->count = count;
  bin(*frame, threads, in.means2d, in.conics, in.features, in.opacities, radii, extents);
  frame->final_transmittance.resize(int64_t(width) * height);
  for_each(frame->tiles(), threads, [&](int tile) { draw_tile(*frame, tile, image); });
  return frame.release();
}

// Sums a splat's pairs in their order and turns the moments into gradients: log(alpha) = log(opacity) - power with
// power = (A dx^2 + C dy^2) / 2 + B dx dy, and (dx, dy) falls as the mean moves.
template <class Real>
void gather(const Frame<Real>& frame, int64_t splat, const SplatInput<Real>& in, const SplatGradient<Real>& out) {
  constexpr int stride = kSumStride<Real, kSums>;
  Real folded[stride] = {};
  const int64_t last = frame.splat_begin[frame.drawn] - 1;
  for (int64_t i = frame.splat_begin[splat]; i < frame.splat_begin[splat + 1]; ++i) {
    constexpr int kAhead = 16;
    __builtin_prefetch(&frame.pair_gradients[int64_t(frame.splat_pairs[std::min(i + kAhead, last)]) * stride]);
    const Real* pair = &frame.pair_gradients[int64_t(frame.splat_pairs[i]) * stride];
    for (int k = 0; k < stride; ++k) folded[k] += pair[k];
  }
  Real sum[kSums];
  for (int k = 0; k < kSums; ++k) sum[k] = folded[sum_position<Real>(k)];

  const int64_t i = frame.splats[splat].index;
  const Real *conic = in.conics + 3 * i;
  out.opacities[i] = sum[0] / in.opacities[i];
  out.means2d[2 * i] = conic[0] * sum[1] + conic[1] * sum[2];
  out.means2d[2 * i + 1] = conic[1] * sum[1] + conic[2] * sum[2];
  out.conics[3 * i] = Real(-0.5) * sum[3];
  out.conics[3 * i + 1] = -sum[4];
  out.conics[3 * i + 2] = Real(-0.5) * sum[5];
  for (int k = 0; k < kFeatures; ++k) out.features[kFeatures * i + k] = sum[6 + k];
}

template <class Real>
void composite_vjp(int threads, Frame<Real>& frame, const SplatInput<Real>& in, const ImageGradient<Real>& image,
                   const SplatGradient<Real>& out) {
  constexpr int stride = kSumStride<Real, kSums>;
  frame.pair_gradients.resize(frame.splat_begin[frame.drawn] * stride);
  for_each(frame.tiles(), threads, [&](int tile) { draw_tile_vjp(frame, tile, image); });
  std::fill_n(out.opacities, frame.count, Real(0));
  std::fill_n(out.means2d, 2 * frame.count, Real(0));
  std::fill_n(out.conics, 3 * frame.count, Real(0));
  std::fill_n(out.features, kFeatures * frame.count, Real(0));
  for_each_chunk(frame.drawn, 1024, threads, [&](int, int64_t begin, int64_t end) {
    for (int64_t splat = begin; splat < end; ++splat) gather(frame, splat, in, out);
  });
}

}  // namespace
}  // namespace recon

// The frame that `recon_composite` returns goes to `recon_composite_vjp` as often as needed, then to `recon_release`.
// Null, and 1, say that memory ran out.
#define RECON_DEFINE_COMPOSITE(Real, suffix)                                                                      \
  RECON_EXPORT void* recon_composite_##suffix(                                                                    \
      int threads, int64_t count, const Real* means2d, const Real* conics, const Real* features,                  \
      const Real* opacities, const int32_t* radii, const Real* extents, int width, int height, Real* rgb,         \
      Real* depth, Real* alpha) {                                                                                 \
    try {                                                                                                         \
      return recon::composite<Real>(threads, count, {means2d, conics, features, opacities}, radii, extents,       \
                                    width, height, {rgb, depth, alpha});                                          \
    } catch (const std::bad_alloc&) {                                                                             \
      return nullptr;                                                                                             \
    }                                                                                                             \
  }                                                                                                               \
  RECON_EXPORT int recon_composite_vjp_##suffix(                                                                  \
      int threads, void* frame, const Real* means2d, const Real* conics, const Real* features,                    \
      const Real* opacities, const Real* rgb, const Real* depth, const Real* alpha, const Real* v_rgb,            \
      const Real* v_depth, const Real* v_alpha, Real* v_means2d, Real* v_conics, Real* v_features,                \
      Real* v_opacities) {                                                                                        \
    try {                                                                                                         \
      recon::composite_vjp<Real>(threads, *static_cast<recon::Frame<Real>*>(frame),                               \
                                 {means2d, conics, features, opacities},                                          \
                                 {rgb, depth, alpha, v_rgb, v_depth, v_alpha},                                    \
                                 {v_means2d, v_conics, v_features, v_opacities});                                 \
      return 0;                                                                                                   \
    } catch (const std::bad_alloc&) {                                                                             \
      return 1;                                                                                                   \
    }                                                                                                             \
  }                                                                                                               \
  RECON_EXPORT void recon_release_##suffix(void* frame) {                                                         \
    recon::pool<Real>().give(std::unique_ptr<recon::Frame<Real>>(static_cast<recon::Frame<Real>*>(frame)));       \
  }

RECON_DEFINE_COMPOSITE(float, f32)
RECON_DEFINE_COMPOSITE(double, f64)
