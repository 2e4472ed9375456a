// EWA projection of Gaussians, forward and backward (vjp: vector-Jacobian product). Values are vectors: one
// Gaussian in each lane. Gradients carry the name of what they belong to, with v_ before it.
#pragma once

#include "camera.h"
#include "simd.h"

namespace recon {

// Gaussians on their way to the image plane. Matrices are row-major.
template <class Real>
struct Projection {
  using V = Vec<Real>;
  V in_camera[3], inverse_z;
  V unit_quat[4], inverse_norm;
  V rotation[9];        // world from principal axes
  V axes[9];            // rotation times scales: its columns are the principal axes
  V border[2];          // camera-frame x, y of the point of linearisation
  V follows[2];         // 1 where that point is the mean itself, 0 where it stays at the margin
  V jacobian[6];        // pixels by world coordinates, 2x3
  V spread[6];          // jacobian times axes, 2x3
  V xx, xy, yy;         // covariance in pixels^2, kEps2d included
  V determinant;
  V x, y;               // mean in pixels
};

template <class Real>
struct ProjectionGradient {
  using V = Vec<Real>;
  V mean[3], quat[4], scale[3], view[12];  // view: the upper 3x4
};

template <class Real>
RECON_INLINE void rotation_from_quat(const Vec<Real>* q, Vec<Real>* rotation) {
  const Vec<Real> w = q[0], x = q[1], y = q[2], z = q[3];
  const Real one = 1, two = 2;
  rotation[0] = one - two * (y * y + z * z);
  rotation[1] = two * (x * y - w * z);
  rotation[2] = two * (x * z + w * y);
  rotation[3] = two * (x * y + w * z);
  rotation[4] = one - two * (x * x + z * z);
  rotation[5] = two * (y * z - w * x);
  rotation[6] = two * (x * z - w * y);
  rotation[7] = two * (y * z + w * x);
  rotation[8] = one - two * (x * x + y * y);
}

// Gradient of the raw quaternion, whose length the rotation does not see: the part along it drops out.
template <class Real>
RECON_INLINE void quat_vjp(const Projection<Real>& p, const Vec<Real>* v, Vec<Real>* v_quat) {
  const Vec<Real> w = p.unit_quat[0], x = p.unit_quat[1], y = p.unit_quat[2], z = p.unit_quat[3];
  const Real two = 2;
  const Vec<Real> unit[4] = {
      two * (x * (v[7] - v[5]) + y * (v[2] - v[6]) + z * (v[3] - v[1])),
      two * (w * (v[7] - v[5]) - two * x * (v[4] + v[8]) + y * (v[1] + v[3]) + z * (v[2] + v[6])),
      two * (w * (v[2] - v[6]) + x * (v[1] + v[3]) - two * y * (v[0] + v[8]) + z * (v[5] + v[7])),
      two * (w * (v[3] - v[1]) + x * (v[2] + v[6]) + y * (v[5] + v[7]) - two * z * (v[0] + v[4])),
  };
  const Vec<Real> along = unit[0] * w + unit[1] * x + unit[2] * y + unit[3] * z;
  for (int i = 0; i < 4; ++i) v_quat[i] = (unit[i] - along * p.unit_quat[i]) * p.inverse_norm;
}

template <class Real>
RECON_INLINE void linearise(const Camera<Real>& camera, Projection<Real>& p) {
  using V = Vec<Real>;
  const Real lower[2] = {camera.x_min, camera.y_min}, upper[2] = {camera.x_max, camera.y_max};
  const Real focal[2] = {camera.fx, camera.fy};
  for (int i = 0; i < 2; ++i) {
    const V slope = p.in_camera[i] * p.inverse_z;
    const V clamped = min(splat(upper[i]), max(splat(lower[i]), slope));
    p.border[i] = p.in_camera[2] * clamped;
    p.follows[i] = clamped == slope ? splat(Real(1)) : V{};
    const V by_own = focal[i] * p.inverse_z, by_z = -focal[i] * clamped * p.inverse_z;
    for (int k = 0; k < 3; ++k)
      p.jacobian[3 * i + k] = by_own * camera.rotation[3 * i + k] + by_z * camera.rotation[6 + k];
  }
}

// The covariance and its determinant. xx yy - xy^2 would lose all digits on a needle; with the rows s, t of
// `spread` Lagrange's identity |s|^2 |t|^2 - (s t)^2 = |s x t|^2 leaves a sum of positive terms.
template <class Real>
RECON_INLINE void covariance(Projection<Real>& p) {
  using V = Vec<Real>;
  const V *s = p.spread, *t = p.spread + 3;
  const V ss = s[0] * s[0] + s[1] * s[1] + s[2] * s[2], tt = t[0] * t[0] + t[1] * t[1] + t[2] * t[2];
  const V cross[3] = {s[1] * t[2] - s[2] * t[1], s[2] * t[0] - s[0] * t[2], s[0] * t[1] - s[1] * t[0]};
  const V area = cross[0] * cross[0] + cross[1] * cross[1] + cross[2] * cross[2];
  const Real blur = Real(kEps2d);
  p.xx = ss + blur;
  p.xy = s[0] * t[0] + s[1] * t[1] + s[2] * t[2];
  p.yy = tt + blur;
  p.determinant = blur * (blur + ss + tt) + area;
}

template <class Real>
RECON_INLINE Projection<Real> project(const Camera<Real>& camera, const Vec<Real>* mean, const Vec<Real>* quat,
                                      const Vec<Real>* scale) {
  Projection<Real> p;
  const Real one = 1;
  for (int i = 0; i < 3; ++i) {
    const Real* row = camera.rotation + 3 * i;
    p.in_camera[i] = mean[0] * row[0] + mean[1] * row[1] + mean[2] * row[2] + camera.translation[i];
  }
  p.inverse_z = one / p.in_camera[2];
  p.inverse_norm =
      one / square_root(quat[0] * quat[0] + quat[1] * quat[1] + quat[2] * quat[2] + quat[3] * quat[3]);
  for (int i = 0; i < 4; ++i) p.unit_quat[i] = quat[i] * p.inverse_norm;
  rotation_from_quat<Real>(p.unit_quat, p.rotation);
  for (int i = 0; i < 9; ++i) p.axes[i] = p.rotation[i] * scale[i % 3];
  linearise(camera, p);
  for (int r = 0; r < 2; ++r)
    for (int k = 0; k < 3; ++k)
      p.spread[3 * r + k] = p.jacobian[3 * r] * p.axes[k] + p.jacobian[3 * r + 1] * p.axes[3 + k] +
                            p.jacobian[3 * r + 2] * p.axes[6 + k];
  covariance(p);
  p.x = camera.fx * p.in_camera[0] * p.inverse_z + camera.cx;
  p.y = camera.fy * p.in_camera[1] * p.inverse_z + camera.cy;
  return p;
}

// Gradient of `spread` from that of the conic X (xx, xy, yy; xy counted once): the covariance S has -X G X with the
// symmetric G, and S = spread spread^T gives twice that times spread.
template <class Real>
RECON_INLINE void conic_vjp(const Projection<Real>& p, const Vec<Real>* v_conic, Vec<Real>* v_spread) {
  using V = Vec<Real>;
  const V inverse = Real(1) / p.determinant;
  const V xx = p.yy * inverse, xy = -p.xy * inverse, yy = p.xx * inverse;
  const V g_xx = v_conic[0], g_xy = v_conic[1] * Real(0.5), g_yy = v_conic[2];
  const V left[4] = {xx * g_xx + xy * g_xy, xx * g_xy + xy * g_yy, xy * g_xx + yy * g_xy, xy * g_xy + yy * g_yy};
  const V v_xx = left[0] * xx + left[1] * xy, v_xy = left[0] * xy + left[1] * yy, v_yy = left[2] * xy + left[3] * yy;
  for (int k = 0; k < 3; ++k) {
    v_spread[k] = Real(-2) * (v_xx * p.spread[k] + v_xy * p.spread[3 + k]);
    v_spread[3 + k] = Real(-2) * (v_xy * p.spread[k] + v_yy * p.spread[3 + k]);
  }
}

// Gradient of the mean in the camera's frame, and of the camera's rotation through the Jacobian.
template <class Real>
RECON_INLINE void jacobian_vjp(const Camera<Real>& camera, const Projection<Real>& p, const Vec<Real>* v_jacobian,
                               Vec<Real>* v_in_camera, Vec<Real>* v_view) {
  using V = Vec<Real>;
  const Real focal[2] = {camera.fx, camera.fy};
  const V rz = p.inverse_z, rz2 = rz * rz;
  for (int i = 0; i < 2; ++i) {
    const V* v = v_jacobian + 3 * i;
    const Real* own = camera.rotation + 3 * i;
    const Real* forward = camera.rotation + 6;
    const V v_by_own = v[0] * own[0] + v[1] * own[1] + v[2] * own[2];
    const V v_by_z = v[0] * forward[0] + v[1] * forward[1] + v[2] * forward[2];
    const V by_own = focal[i] * rz, by_z = -focal[i] * p.border[i] * rz2;
    // by_z = -f x / z^2 where the point follows the mean, -f limit / z where it stays at the margin.
    v_in_camera[i] -= p.follows[i] * focal[i] * rz2 * v_by_z;
    v_in_camera[2] -= focal[i] * rz2 * v_by_own + by_z * rz * v_by_z * (Real(1) + p.follows[i]);
    for (int k = 0; k < 3; ++k) {
      v_view[4 * i + k] += by_own * v[k];
      v_view[8 + k] += by_z * v[k];
    }
  }
}

// All gradients of one block from those of the pixel position, the depth and the conic.
template <class Real>
RECON_INLINE ProjectionGradient<Real> project_vjp(const Camera<Real>& camera, const Projection<Real>& p,
                                                  const Vec<Real>* mean, const Vec<Real>* scale,
                                                  const Vec<Real>* v_mean2d, Vec<Real> v_depth,
                                                  const Vec<Real>* v_conic) {
  using V = Vec<Real>;
  ProjectionGradient<Real> gradient{};
  V v_spread[6], v_jacobian[6], v_axes[9], v_rotation[9];
  conic_vjp(p, v_conic, v_spread);
  for (int r = 0; r < 3; ++r)
    for (int k = 0; k < 3; ++k)
      v_axes[3 * r + k] = p.jacobian[r] * v_spread[k] + p.jacobian[3 + r] * v_spread[3 + k];
  for (int r = 0; r < 2; ++r)
    for (int k = 0; k < 3; ++k)
      v_jacobian[3 * r + k] = v_spread[3 * r] * p.axes[3 * k] + v_spread[3 * r + 1] * p.axes[3 * k + 1] +
                              v_spread[3 * r + 2] * p.axes[3 * k + 2];

  const V fx_z = camera.fx * p.inverse_z, fy_z = camera.fy * p.inverse_z;
  V v_in_camera[3] = {fx_z * v_mean2d[0], fy_z * v_mean2d[1], v_depth};
  v_in_camera[2] -= (fx_z * p.in_camera[0] * v_mean2d[0] + fy_z * p.in_camera[1] * v_mean2d[1]) * p.inverse_z;
  jacobian_vjp(camera, p, v_jacobian, v_in_camera, gradient.view);

  for (int r = 0; r < 3; ++r) {
    for (int k = 0; k < 3; ++k) gradient.view[4 * r + k] += v_in_camera[r] * mean[k];
    gradient.view[4 * r + 3] = v_in_camera[r];
  }
  for (int k = 0; k < 3; ++k) {
    gradient.mean[k] = v_in_camera[0] * camera.rotation[k] + v_in_camera[1] * camera.rotation[3 + k] +
                       v_in_camera[2] * camera.rotation[6 + k];
    gradient.scale[k] =
        v_axes[k] * p.rotation[k] + v_axes[3 + k] * p.rotation[3 + k] + v_axes[6 + k] * p.rotation[6 + k];
  }
  for (int i = 0; i < 9; ++i) v_rotation[i] = v_axes[i] * scale[i % 3];
  quat_vjp(p, v_rotation, gradient.quat);
  return gradient;
}

}  // namespace recon
