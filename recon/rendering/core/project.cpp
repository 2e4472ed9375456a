// From Gaussians to splats on the image plane: positions, conics, colours, depths, extents; and back.
#include <vector>

#include "parallel.h"
#include "projection.h"
#include "spherical_harmonics.h"

namespace recon {
namespace {

constexpr int64_t kChunk = 1024;  // Gaussians; fixed, so that sums over chunks do not depend on the threads

// What goes in. Arrays have one row a Gaussian.
template <class Real>
struct Scene {
  int64_t count;
  int coefficients;  // stored in sh; (sh_degree + 1)^2 of them are used
  int sh_degree;
  const Real *means, *quats, *scales, *sh;
};

// What comes out. Every row is written, zeros where a Gaussian is not drawn.
template <class Real>
struct Splats {
  int32_t* radii;  // (g, 2) whole pixels, 0 if not drawn
  Real* means2d;   // (g, 2) pixels
  Real* conics;    // (g, 3) inverse covariance: xx, xy, yy
  Real* features;  // (g, 4) red, green, blue, depth
  Real* extents;   // (g, 2) half the box of the ellipse where alpha is kMinAlpha, pixels
};

template <class Real>
struct SplatGradients {
  const Real *means2d, *conics, *features;
};

template <class Real>
struct SceneGradients {
  Real *means, *quats, *scales, *sh, *view;
};

// A block of as many Gaussians as a vector has lanes.
template <class Real>
struct Block {
  Vec<Real> mean[3], quat[4], scale[3];
  Vec<Real> direction[3], inverse_distance;  // from the camera's centre

  RECON_INLINE Block(const Scene<Real>& scene, const Camera<Real>& camera, int64_t first, int count) {
    for (int k = 0; k < 3; ++k) mean[k] = load_column(scene.means + 3 * first, 3, k, count);
    for (int k = 0; k < 4; ++k) quat[k] = load_column(scene.quats + 4 * first, 4, k, count);
    for (int k = 0; k < 3; ++k) scale[k] = load_column(scene.scales + 3 * first, 3, k, count);
    for (int k = 0; k < 3; ++k) direction[k] = mean[k] - camera.centre[k];
    inverse_distance = Real(1) / square_root(direction[0] * direction[0] + direction[1] * direction[1] +
                                             direction[2] * direction[2]);
    for (int k = 0; k < 3; ++k) direction[k] *= inverse_distance;
  }
};

template <class Real>
bool is_finite(const Real* values, int count) {
  Real sum = 0;  // NaN and infinities times zero are NaN and stay so
  for (int i = 0; i < count; ++i) sum += values[i] * 0;
  return sum == 0;
}

// Radii and extents of one Gaussian, whose other outputs are written already. Comparisons are put so that a NaN fails.
template <class Real>
void decide(const Camera<Real>& camera, Real opacity, Real variance_x, Real variance_y, double near, int64_t i,
            const Splats<Real>& out) {
  const Real x = out.means2d[2 * i], y = out.means2d[2 * i + 1], depth = out.features[kFeatures * i + 3];
  out.radii[2 * i] = out.radii[2 * i + 1] = 0;
  const bool in_range = depth >= near && depth > 0 && depth <= kFar;
  if (!in_range || !(opacity >= Real(kMinAlpha)) || !(opacity <= Real(kFar))) return;
  if (!is_finite(out.conics + 3 * i, 3) || !is_finite(out.features + kFeatures * i, kFeatures)) return;
  const Real variances = Real(2) * std::log(opacity / Real(kMinAlpha));
  out.extents[2 * i] = std::sqrt(variances * variance_x);
  out.extents[2 * i + 1] = std::sqrt(variances * variance_y);
  const Real capped = Real(2) * std::log(std::min(opacity, Real(1)) / Real(kMinAlpha));
  const Real radius_x = std::ceil(std::sqrt(capped * variance_x));
  const Real radius_y = std::ceil(std::sqrt(capped * variance_y));
  if (!is_finite(out.extents + 2 * i, 2)) return;
  if (!(x + radius_x > 0 && x - radius_x < camera.width && y + radius_y > 0 && y - radius_y < camera.height)) return;
  out.radii[2 * i] = static_cast<int32_t>(std::min(radius_x, Real(kMaxRadius)));
  out.radii[2 * i + 1] = static_cast<int32_t>(std::min(radius_y, Real(kMaxRadius)));
}

template <class Real>
void clear(const Splats<Real>& out, int64_t i) {
  std::fill_n(out.means2d + 2 * i, 2, Real(0));
  std::fill_n(out.conics + 3 * i, 3, Real(0));
  std::fill_n(out.features + kFeatures * i, kFeatures, Real(0));
  std::fill_n(out.extents + 2 * i, 2, Real(0));
}

// Colours max(0, SH + 1/2) of a block.
template <class Real>
RECON_INLINE void shade(const Scene<Real>& scene, const Block<Real>& block, int64_t first, int count, Real* features) {
  constexpr int lanes = kLanes<Real>;
  const int used = (scene.sh_degree + 1) * (scene.sh_degree + 1);
  Vec<Real> basis[kMaxCoefficients];
  Harmonics<Real>(block.direction).values(scene.sh_degree, basis);
  alignas(64) Real values[kMaxCoefficients][lanes];
  for (int k = 0; k < used; ++k) store(values[k], basis[k]);
  for (int l = 0; l < count; ++l) {
    const Real* sh = scene.sh + (first + l) * scene.coefficients * 3;
    Real rgb[3] = {Real(0.5), Real(0.5), Real(0.5)};
    for (int k = 0; k < used; ++k)
      for (int c = 0; c < 3; ++c) rgb[c] += values[k][l] * sh[3 * k + c];
    // Not std::max: a NaN must stay one, to be seen.
    for (int c = 0; c < 3; ++c) features[kFeatures * (first + l) + c] = rgb[c] < 0 ? 0 : rgb[c];
  }
}

template <class Real>
void project_block(const Scene<Real>& scene, const Camera<Real>& camera, const Real* opacities, double near,
                   int64_t first, int count, const Splats<Real>& out) {
  constexpr int lanes = kLanes<Real>;
  const Block<Real> block(scene, camera, first, count);
  const Projection<Real> p = project(camera, block.mean, block.quat, block.scale);
  const Vec<Real> inverse = Real(1) / p.determinant;
  store_column(out.means2d + 2 * first, 2, 0, count, p.x);
  store_column(out.means2d + 2 * first, 2, 1, count, p.y);
  store_column<Real>(out.conics + 3 * first, 3, 0, count, p.yy * inverse);
  store_column<Real>(out.conics + 3 * first, 3, 1, count, -p.xy * inverse);
  store_column<Real>(out.conics + 3 * first, 3, 2, count, p.xx * inverse);
  store_column(out.features + kFeatures * first, kFeatures, 3, count, p.in_camera[2]);
  shade(scene, block, first, count, out.features);
  alignas(64) Real xx[lanes], yy[lanes];
  store(xx, p.xx);
  store(yy, p.yy);
  for (int l = 0; l < count; ++l) {
    decide(camera, opacities[first + l], xx[l], yy[l], near, first + l, out);
    if (out.radii[2 * (first + l)] == 0) clear(out, first + l);
  }
}

// Gradients of the coefficients, and of the direction by way of the basis.
template <class Real>
RECON_INLINE void shade_vjp(const Scene<Real>& scene, const Block<Real>& block, int64_t first, int count,
                            const int32_t* radii, const Real* features, const Real* v_features, Real* v_sh,
                            Vec<Real>* v_direction) {
  constexpr int lanes = kLanes<Real>;
  const int used = (scene.sh_degree + 1) * (scene.sh_degree + 1);
  const Harmonics<Real> harmonics(block.direction);
  Vec<Real> basis[kMaxCoefficients], v_basis[kMaxCoefficients];
  harmonics.values(scene.sh_degree, basis);
  alignas(64) Real values[kMaxCoefficients][lanes], v_values[kMaxCoefficients][lanes] = {};
  for (int k = 0; k < used; ++k) store(values[k], basis[k]);
  for (int l = 0; l < count; ++l) {
    const int64_t i = first + l;
    Real* v = v_sh + i * scene.coefficients * 3;
    std::fill_n(v, 3 * scene.coefficients, Real(0));
    if (radii[2 * i] == 0) continue;
    const Real* sh = scene.sh + i * scene.coefficients * 3;
    for (int c = 0; c < 3; ++c) {
      if (!(features[kFeatures * i + c] > 0)) continue;  // clamped at zero
      const Real v_rgb = v_features[kFeatures * i + c];
      for (int k = 0; k < used; ++k) {
        v[3 * k + c] = values[k][l] * v_rgb;
        v_values[k][l] += sh[3 * k + c] * v_rgb;
      }
    }
  }
  for (int k = 0; k < used; ++k) v_basis[k] = load(v_values[k]);
  harmonics.direction_vjp(scene.sh_degree, v_basis, v_direction);
}

// Gradients of one block; adds those of the view matrix (12) and of the camera's centre (3) to `v_camera`.
template <class Real>
void project_block_vjp(const Scene<Real>& scene, const Camera<Real>& camera, int64_t first, int count,
                       const int32_t* radii, const Real* features, const SplatGradients<Real>& in,
                       const SceneGradients<Real>& out, Vec<Real>* v_camera) {
  using V = Vec<Real>;
  V drawn{};
  for (int l = 0; l < count; ++l) drawn[l] = radii[2 * (first + l)] > 0 ? Real(1) : Real(0);
  // Selected, not multiplied: what is not drawn may be NaN.
  const auto select = [&](V v) { return drawn > Real(0) ? v : V{}; };
  const Block<Real> block(scene, camera, first, count);
  const Projection<Real> p = project(camera, block.mean, block.quat, block.scale);
  V v_mean2d[2], v_conic[3], v_direction[3];
  for (int k = 0; k < 2; ++k) v_mean2d[k] = load_column(in.means2d + 2 * first, 2, k, count);
  for (int k = 0; k < 3; ++k) v_conic[k] = load_column(in.conics + 3 * first, 3, k, count);
  const V v_depth = load_column(in.features + kFeatures * first, kFeatures, 3, count);
  ProjectionGradient<Real> gradient = project_vjp(camera, p, block.mean, block.scale, v_mean2d, v_depth, v_conic);

  shade_vjp(scene, block, first, count, radii, features, in.features, out.sh, v_direction);
  const V along = v_direction[0] * block.direction[0] + v_direction[1] * block.direction[1] +
                  v_direction[2] * block.direction[2];
  for (int k = 0; k < 3; ++k) {
    const V v_offset = select((v_direction[k] - along * block.direction[k]) * block.inverse_distance);
    store_column<Real>(out.means + 3 * first, 3, k, count, select(gradient.mean[k]) + v_offset);
    v_camera[12 + k] -= v_offset;
  }
  for (int k = 0; k < 4; ++k) store_column(out.quats + 4 * first, 4, k, count, select(gradient.quat[k]));
  for (int k = 0; k < 3; ++k) store_column(out.scales + 3 * first, 3, k, count, select(gradient.scale[k]));
  for (int k = 0; k < 12; ++k) v_camera[k] += select(gradient.view[k]);
}

template <class Real>
void project_all(int threads, const Scene<Real>& scene, const Camera<Real>& camera, const Real* opacities, double near,
                 const Splats<Real>& out) {
  for_each_chunk(scene.count, kChunk, threads, [&](int, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kLanes<Real>)
      project_block(scene, camera, opacities, near, i, int(std::min<int64_t>(kLanes<Real>, end - i)), out);
  });
}

template <class Real>
void project_all_vjp(int threads, const Scene<Real>& scene, const Camera<Real>& camera, const int32_t* radii,
                     const Real* features, const SplatGradients<Real>& in, const SceneGradients<Real>& out) {
  constexpr int kSums = 15;
  std::vector<Real> sums((scene.count / kChunk + 1) * kSums, Real(0));
  for_each_chunk(scene.count, kChunk, threads, [&](int chunk, int64_t begin, int64_t end) {
    Vec<Real> v_camera[kSums] = {};
    for (int64_t i = begin; i < end; i += kLanes<Real>)
      project_block_vjp(scene, camera, i, int(std::min<int64_t>(kLanes<Real>, end - i)), radii, features, in, out,
                        v_camera);
    for (int k = 0; k < kSums; ++k)
      for (int l = 0; l < kLanes<Real>; ++l) sums[chunk * kSums + k] += v_camera[k][l];
  });
  std::fill_n(out.view, 16, Real(0));
  Real v_centre[3] = {};
  for (size_t s = 0; s < sums.size(); s += kSums) {
    for (int k = 0; k < 12; ++k) out.view[k] += sums[s + k];
    for (int k = 0; k < 3; ++k) v_centre[k] += sums[s + 12 + k];
  }
  centre_vjp(camera, v_centre, out.view);
}

}  // namespace
}  // namespace recon

#define RECON_DEFINE_PROJECT(Real, suffix)                                                                        \
  RECON_EXPORT void recon_project_##suffix(                                                                       \
      int threads, int64_t count, int coefficients, int sh_degree, const Real* means, const Real* quats,          \
      const Real* scales, const Real* sh, const Real* opacities, const Real* view, const Real* K, int width,      \
      int height, double near, int32_t* radii, Real* means2d, Real* conics, Real* features, Real* extents) {      \
    recon::project_all<Real>(threads, {count, coefficients, sh_degree, means, quats, scales, sh},                 \
                             recon::make_camera(view, K, width, height), opacities, near,                         \
                             {radii, means2d, conics, features, extents});                                        \
  }                                                                                                               \
  RECON_EXPORT void recon_project_vjp_##suffix(                                                                   \
      int threads, int64_t count, int coefficients, int sh_degree, const Real* means, const Real* quats,          \
      const Real* scales, const Real* sh, const Real* view, const Real* K, int width, int height,                 \
      const int32_t* radii, const Real* features, const Real* v_means2d, const Real* v_conics,                    \
      const Real* v_features, Real* v_means, Real* v_quats, Real* v_scales, Real* v_sh, Real* v_view) {           \
    recon::project_all_vjp<Real>(threads, {count, coefficients, sh_degree, means, quats, scales, sh},             \
                                 recon::make_camera(view, K, width, height), radii, features,                     \
                                 {v_means2d, v_conics, v_features}, {v_means, v_quats, v_scales, v_sh, v_view}); \
  }

RECON_DEFINE_PROJECT(float, f32)
RECON_DEFINE_PROJECT(double, f64)
