// Vectors as wide as the instruction set's registers, by the compiler's vector extension. Wider vectors would be split
// lane by lane wherever masks are involved, which was measured to be ten times slower.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#endif

#define RECON_INLINE inline __attribute__((always_inline))

namespace recon {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
// Never fewer than four lanes: two lanes of doubles would make more blocks a tile than an integer has bits.
template <class Real>
constexpr int kVectorBytesOf = kVectorBytes < 4 * int(sizeof(Real)) ? 4 * int(sizeof(Real)) : kVectorBytes;

template <class Real>
struct Simd;
template <>
struct Simd<float> {
  typedef float Vec __attribute__((vector_size(kVectorBytes)));
  typedef int32_t Int __attribute__((vector_size(kVectorBytes)));
};
template <>
struct Simd<double> {
  typedef double Vec __attribute__((vector_size(kVectorBytesOf<double>)));
  typedef int64_t Int __attribute__((vector_size(kVectorBytesOf<double>)));
};
template <class Real>
using Vec = typename Simd<Real>::Vec;
template <class Real>
using Int = typename Simd<Real>::Int;  // integers as wide as Real, one a lane
template <class Real>
constexpr int kLanes = kVectorBytesOf<Real> / sizeof(Real);

template <class Real>
RECON_INLINE Vec<Real> splat(Real value) {
  return Vec<Real>{} + value;
}

template <class Real>
RECON_INLINE Vec<Real> load(const Real* from) {
  Vec<Real> v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

template <class Real>
RECON_INLINE void store(Real* to, Vec<Real> v) {
  std::memcpy(to, &v, sizeof(v));
}

// The `count` first lanes; zeros in the others.
template <class Real>
RECON_INLINE Vec<Real> load_first(const Real* from, int64_t count) {
  if (count >= kLanes<Real>) return load(from);
  Vec<Real> v{};
  std::memcpy(&v, from, count * sizeof(Real));
  return v;
}

template <class Real>
RECON_INLINE void store_first(Real* to, Vec<Real> v, int64_t count) {
  std::memcpy(to, &v, std::min<int64_t>(count, kLanes<Real>) * sizeof(Real));
}

// Column `column` of `count` rows of `stride` values; lanes past `count` repeat the first row.
template <class Real>
RECON_INLINE Vec<Real> load_column(const Real* rows, int stride, int column, int count) {
  Vec<Real> v;
  for (int l = 0; l < kLanes<Real>; ++l) v[l] = rows[(l < count ? l : 0) * stride + column];
  return v;
}

template <class Real>
RECON_INLINE void store_column(Real* rows, int stride, int column, int count, Vec<Real> v) {
  for (int l = 0; l < kLanes<Real>; ++l)
    if (l < count) rows[l * stride + column] = v[l];
}

// What a comparison gives. AVX-512 has registers of bits for it; left to itself the compiler takes combinations of them
// apart bit by bit. Elsewhere it is a vector of all ones or all zeros.
#if defined(__AVX512F__)
template <class Real>
using Mask = std::conditional_t<sizeof(Real) == 4, __mmask16, __mmask8>;

RECON_INLINE __mmask16 at_least(Vec<float> a, Vec<float> b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
RECON_INLINE __mmask8 at_least(Vec<double> a, Vec<double> b) { return _mm512_cmp_pd_mask(a, b, _CMP_GE_OQ); }
RECON_INLINE __mmask16 above(Vec<float> a, Vec<float> b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
RECON_INLINE __mmask8 above(Vec<double> a, Vec<double> b) { return _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ); }
RECON_INLINE Vec<float> select(__mmask16 m, Vec<float> a, Vec<float> b) { return _mm512_mask_blend_ps(m, b, a); }
RECON_INLINE Vec<double> select(__mmask8 m, Vec<double> a, Vec<double> b) { return _mm512_mask_blend_pd(m, b, a); }
template <class M>
RECON_INLINE bool any(M mask) {
  return mask != 0;
}
#else
template <class Real>
using Mask = Int<Real>;

template <class V>
RECON_INLINE auto at_least(V a, V b) {
  return a >= b;
}
template <class V>
RECON_INLINE auto above(V a, V b) {
  return a > b;
}
template <class M, class V>
RECON_INLINE V select(M mask, V a, V b) {
  return mask ? a : b;
}
template <class M>
RECON_INLINE bool any(M mask) {
#if defined(__AVX2__)
  return _mm256_movemask_ps((__m256)mask) != 0;
#else
  int64_t parts[sizeof(mask) / 8], all = 0;
  std::memcpy(parts, &mask, sizeof(mask));
  for (int64_t part : parts) all |= part;
  return all != 0;
#endif
}
#if defined(__SSE2__) && !defined(__AVX2__)
RECON_INLINE bool any(Int<float> mask) { return _mm_movemask_ps((__m128)mask) != 0; }
#endif
#endif

template <class V>
RECON_INLINE V min(V a, V b) {
  return a < b ? a : b;
}

template <class V>
RECON_INLINE V max(V a, V b) {
  return a > b ? a : b;
}

template <class V>
RECON_INLINE V square_root(V v) {
  V root;
  for (size_t l = 0; l < sizeof(V) / sizeof(v[0]); ++l) root[l] = std::sqrt(v[l]);
  return root;
}

// -|v|, by setting the sign bit.
RECON_INLINE Vec<float> negative(Vec<float> v) { return (Vec<float>)((Int<float>)v | INT32_MIN); }
RECON_INLINE Vec<double> negative(Vec<double> v) { return (Vec<double>)((Int<double>)v | INT64_MIN); }

// 1 / v for v in [0.001, 1]. Division would keep its unit busy for as long as the rest of a pixel's gradient takes:
// the estimate and one Newton step are within one unit in the last place or two.
RECON_INLINE Vec<float> reciprocal(Vec<float> v) {
#if defined(__AVX512F__)
  const Vec<float> estimate = (Vec<float>)_mm512_maskz_rcp14_ps(0xFFFF, (__m512)v);
#elif defined(__AVX2__)
  const Vec<float> estimate = (Vec<float>)_mm256_rcp_ps((__m256)v);
#elif defined(__SSE2__)
  const Vec<float> estimate = (Vec<float>)_mm_rcp_ps((__m128)v);
#endif
#if defined(__SSE2__)
  return estimate * (2.0f - v * estimate);
#else
  return 1.0f / v;
#endif
}

RECON_INLINE Vec<double> reciprocal(Vec<double> v) { return 1.0 / v; }

// 1 / sqrt(v) for normal v above 0, in the same manner.
RECON_INLINE Vec<float> reciprocal_root(Vec<float> v) {
#if defined(__AVX512F__)
  const Vec<float> estimate = (Vec<float>)_mm512_maskz_rsqrt14_ps(0xFFFF, (__m512)v);
#elif defined(__AVX2__)
  const Vec<float> estimate = (Vec<float>)_mm256_rsqrt_ps((__m256)v);
#elif defined(__SSE2__)
  const Vec<float> estimate = (Vec<float>)_mm_rsqrt_ps((__m128)v);
#endif
#if defined(__SSE2__)
  return estimate * (1.5f - 0.5f * v * estimate * estimate);
#else
  return 1.0f / square_root(v);
#endif
}

// 2^v for v in [-126, 127], garbage elsewhere: v = n + f, |f| <= 1/2; 2^f by the polynomial of degree 5 with the least relative error
// (Remez: 7.5e-8, about one unit in the last place), 2^n by adding n to the exponent's bits: the shift by 23 drops all
// bits of kRoundingShift, of which the 22 lowest are zero.
RECON_INLINE Vec<float> exp2(Vec<float> v) {
  constexpr float kRoundingShift = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const Vec<float> shifted = v + kRoundingShift;
  const Vec<float> f = v - (shifted - kRoundingShift);
  Vec<float> p = f * 0.001327647198f + 0.009675541334f;
  p = p * f + 0.05550713274f;
  p = p * f + 0.2402211972f;
  p = p * f + 0.6931469671f;
  p = p * f + 1.000000072f;
  return (Vec<float>)((Int<float>)p + ((Int<float>)shifted << 23));
}

RECON_INLINE Vec<double> exp2(Vec<double> v) {
  Vec<double> power{};
  for (int l = 0; l < kLanes<double>; ++l) power[l] = std::exp2(v[l]);
  return power;
}

// Folding sums the lanes of many vectors at once, in half the instructions of one sum after another: at each level two
// vectors become one, whose lanes with bit `Distance` set belong to the second. The sum of vector i of a group ends
// in lane `reversed bits of i`; `sum_position` says where.
template <int Distance, class Real>
RECON_INLINE Vec<Real> fold(Vec<Real> a, Vec<Real> b) {
  constexpr int lanes = kLanes<Real>;
  Int<Real> own, other;
  for (int l = 0; l < lanes; ++l) {
    own[l] = l & Distance ? lanes + l : l;
    other[l] = l & Distance ? lanes + l - Distance : l + Distance;
  }
#if defined(__clang__)
  Vec<Real> sum;
  for (int l = 0; l < lanes; ++l) sum[l] = l & Distance ? b[l] + b[l - Distance] : a[l] + a[l + Distance];
  return sum;
#else
  return __builtin_shuffle(a, b, own) + __builtin_shuffle(a, b, other);
#endif
}

template <class Real, int Count, int Distance = kLanes<Real> / 2>
RECON_INLINE Vec<Real> fold_all(const Vec<Real>* vectors) {
  Vec<Real> folded[(Count + 1) / 2];
  for (int i = 0; i < Count / 2; ++i) folded[i] = fold<Distance, Real>(vectors[2 * i], vectors[2 * i + 1]);
  if constexpr (Count % 2) folded[Count / 2] = fold<Distance, Real>(vectors[Count - 1], Vec<Real>{});
  if constexpr (Distance == 1)
    return folded[0];
  else
    return fold_all<Real, (Count + 1) / 2, Distance / 2>(folded);
}

// Values that `sum_lanes` writes for `Count` vectors.
template <class Real, int Count>
constexpr int kSumStride = (Count + kLanes<Real> - 1) / kLanes<Real> * kLanes<Real>;

template <class Real>
constexpr int sum_position(int i) {
  const int within = i % kLanes<Real>;
  int reversed = 0;
  for (int bit = 1; bit < kLanes<Real>; bit *= 2) reversed = 2 * reversed + (within & bit ? 1 : 0);
  return i - within + reversed;
}

// Sum over the lanes of vector i, at sums[sum_position(i)].
template <class Real, int Count>
RECON_INLINE void sum_lanes(const Vec<Real>* vectors, Real* sums) {
  constexpr int lanes = kLanes<Real>;
  if constexpr (Count > lanes) {
    store(sums, fold_all<Real, lanes>(vectors));
    sum_lanes<Real, Count - lanes>(vectors + lanes, sums + lanes);
  } else {
    store(sums, fold_all<Real, Count>(vectors));
  }
}

}  // namespace recon
