// Real spherical harmonics to degree 3 and their derivatives, in 3DGS's order (index = l^2 + l + order).
//
//   Y_lm = (-1)^m N_lm P_l^(m)(z) Re (x + iy)^m,  with Im for the negative orders,
//   N_lm = sqrt((2l + 1) / (4 pi) * (l - m)! / (l + m)! * (m > 0 ? 2 : 1)),
//
// where P_l^(m) is the m-th derivative of the Legendre polynomial P_l. So d/dz only raises m in P_l^(m), and d/dx and
// d/dy only lower m in (x + iy)^m: one table serves values and derivatives.
#pragma once

#include "simd.h"

namespace recon {

constexpr int kMaxDegree = 3;
constexpr int kMaxCoefficients = (kMaxDegree + 1) * (kMaxDegree + 1);

// (-1)^m N_lm; the reference computes them from the formula above, the tests compare.
constexpr double kSignedNorm[kMaxDegree + 1][kMaxDegree + 1] = {
    {0.28209479177387814, 0, 0, 0},
    {0.48860251190291992, -0.48860251190291992, 0, 0},
    {0.63078313050504009, -0.36418281019735971, 0.18209140509867985, 0},
    {0.7463526651802308, -0.3046971996429772, 0.096353714754685141, -0.0393362393284429},
};

template <class Real>
struct Harmonics {
  using V = Vec<Real>;
  V legendre[kMaxDegree + 1][kMaxDegree + 2];  // [l][m]: the m-th derivative of P_l at z; zero for m > l
  V cosine[kMaxDegree + 1];                    // Re (x + iy)^m
  V sine[kMaxDegree + 1];                      // Im (x + iy)^m

  RECON_INLINE Harmonics(const V* direction) {
    const V x = direction[0], y = direction[1], z = direction[2], zero{}, one = zero + Real(1);
    const V table[kMaxDegree + 1][kMaxDegree + 2] = {
        {one, zero, zero, zero, zero},
        {z, one, zero, zero, zero},
        {(Real(3) * z * z - Real(1)) * Real(0.5), Real(3) * z, Real(3) * one, zero, zero},
        {(Real(5) * z * z - Real(3)) * z * Real(0.5), (Real(15) * z * z - Real(3)) * Real(0.5), Real(15) * z,
         Real(15) * one, zero},
    };
    std::memcpy(legendre, table, sizeof(table));
    cosine[0] = one, sine[0] = zero;
    for (int m = 1; m <= kMaxDegree; ++m) {
      cosine[m] = cosine[m - 1] * x - sine[m - 1] * y;
      sine[m] = cosine[m - 1] * y + sine[m - 1] * x;
    }
  }

  // Values of the (degree + 1)^2 functions.
  RECON_INLINE void values(int degree, V* basis) const {
    for (int l = 0; l <= kMaxDegree; ++l) {
      if (l > degree) break;
      V* middle = basis + l * l + l;
      for (int m = 0; m <= l; ++m) {
        const V part = Real(kSignedNorm[l][m]) * legendre[l][m];
        middle[-m] = part * sine[m];
        middle[m] = part * cosine[m];
      }
    }
  }

  // Gradient of the direction from that of the values.
  RECON_INLINE void direction_vjp(int degree, const V* v_basis, V* v_direction) const {
    for (int i = 0; i < 3; ++i) v_direction[i] = V{};
    for (int l = 1; l <= kMaxDegree; ++l) {
      if (l > degree) break;
      const V* middle = v_basis + l * l + l;
      for (int m = 0; m <= l; ++m) {
        const Real norm = Real(kSignedNorm[l][m]);
        const V v_cosine = norm * middle[m], v_sine = m ? norm * middle[-m] : V{};
        v_direction[2] += legendre[l][m + 1] * (v_cosine * cosine[m] + v_sine * sine[m]);
        if (m == 0) continue;
        const V slope = Real(m) * legendre[l][m];
        v_direction[0] += slope * (v_cosine * cosine[m - 1] + v_sine * sine[m - 1]);
        v_direction[1] += slope * (v_sine * cosine[m - 1] - v_cosine * sine[m - 1]);
      }
    }
  }
};

}  // namespace recon
