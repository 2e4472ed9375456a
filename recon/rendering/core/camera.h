// A pinhole camera as projection needs it. Frames: OpenCV (x right, y down, z forward), pixel centres at +0.5.
#pragma once

#include "numerics.h"

namespace recon {

template <class Real>
struct Camera {
  Real rotation[9];     // camera from world, row-major
  Real translation[3];
  Real fx, fy, cx, cy;  // pixels
  int width, height;
  Real x_min, x_max, y_min, y_max;  // of x / z, y / z: where linearisation stops to follow the mean
  Real inverse[9];                  // of `rotation`
  Real centre[3];                   // of the camera, in the world
};

// Adjugate over determinant: exact for any invertible matrix. The pose's gradient treats `rotation` as nine free
// numbers, so its transpose will not do.
template <class Real>
void invert3x3(const Real* m, Real* inverse) {
  Real determinant = 0;
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    for (int r = 0; r < 3; ++r) {
      const int s = (r + 1) % 3, t = (r + 2) % 3;
      inverse[3 * i + r] = m[3 * s + j] * m[3 * t + k] - m[3 * s + k] * m[3 * t + j];
    }
    determinant += m[i] * inverse[3 * i];
  }
  for (int i = 0; i < 9; ++i) inverse[i] /= determinant;
}

template <class Real>
Camera<Real> make_camera(const Real* view, const Real* K, int width, int height) {
  Camera<Real> camera{};
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) camera.rotation[3 * r + c] = view[4 * r + c];
    camera.translation[r] = view[4 * r + 3];
  }
  camera.fx = K[0], camera.fy = K[4], camera.cx = K[2], camera.cy = K[5];
  camera.width = width, camera.height = height;
  const Real margin_x = Real(kFieldMargin * 0.5) * width / camera.fx;
  const Real margin_y = Real(kFieldMargin * 0.5) * height / camera.fy;
  camera.x_min = -camera.cx / camera.fx - margin_x;
  camera.x_max = (width - camera.cx) / camera.fx + margin_x;
  camera.y_min = -camera.cy / camera.fy - margin_y;
  camera.y_max = (height - camera.cy) / camera.fy + margin_y;
  invert3x3(camera.rotation, camera.inverse);
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c) camera.centre[r] -= camera.inverse[3 * r + c] * camera.translation[c];
  return camera;
}

// Adds the gradient of `centre` to that of the view matrix (4x4): centre = -A^-1 t, so with w = A^-T v_centre
// v_A = -w centre^T and v_t = -w.
template <class Real>
void centre_vjp(const Camera<Real>& camera, const Real* v_centre, Real* v_view) {
  for (int r = 0; r < 3; ++r) {
    Real w = 0;
    for (int c = 0; c < 3; ++c) w += camera.inverse[3 * c + r] * v_centre[c];
    for (int c = 0; c < 3; ++c) v_view[4 * r + c] -= w * camera.centre[c];
    v_view[4 * r + 3] -= w;
  }
}

}  // namespace recon
