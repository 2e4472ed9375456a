// What the forward and the backward pass over a tile share: walking its splats row by row.
//
// A tile row is `kStrips` vectors. The walk must not visit what cannot matter: a splat's rows are those its ellipse
// reaches, a strip is left out if the ellipse stays beside it, and a row whose pixels all ended is dropped.
#pragma once

#include "binning.h"
#include "simd.h"

namespace recon {

template <class Real>
constexpr int kStrips = kTile / kLanes<Real>;

// Per-pixel values of a tile.
template <class Real>
struct alignas(64) TilePlane {
  Real values[kTile][kTile];

  RECON_INLINE Vec<Real> get(int row, int strip) const { return load(&values[row][strip * kLanes<Real>]); }
  RECON_INLINE void set(int row, int strip, Vec<Real> v) { store(&values[row][strip * kLanes<Real>], v); }
};

template <class Real>
struct TileWalk {
  int left, top, columns, rows;  // pixels; columns and rows that lie in the image
  // Transmittance before the next splat. Ended pixels hold minus the value they ended with, so that one comparison
  // with kMinTransmittance serves both ends of a ray.
  TilePlane<Real> transmittance;
  uint32_t alive[kStrips<Real>];  // a bit a row: some pixel goes on

  TileWalk(const Frame<Real>& frame, int tile) {
    left = tile % frame.columns * kTile;
    top = tile / frame.columns * kTile;
    columns = std::min(kTile, frame.width - left);
    rows = std::min(kTile, frame.height - top);
    for (int row = 0; row < kTile; ++row)
      for (int column = 0; column < kTile; ++column)
        transmittance.values[row][column] = row < rows && column < columns ? Real(1) : Real(-1);
    for (uint32_t& bits : alive) bits = (1u << rows) - 1;
  }

  // Drops rows that ended; true if none is left.
  bool ended() {
    uint32_t any_alive = 0;
    for (int strip = 0; strip < kStrips<Real>; ++strip) {
      for (int row = 0; row < rows; ++row)
        if (alive[strip] >> row & 1 && !any(transmittance.get(row, strip) > Real(0))) alive[strip] &= ~(1u << row);
      any_alive |= alive[strip];
    }
    return any_alive == 0;
  }

  // Rows of a strip where the splat may be seen, as bits.
  RECON_INLINE uint32_t rows_of(const Splat<Real>& s, int strip) const {
    const int strip_left = left + strip * kLanes<Real>;
    if (s.first_column >= strip_left + kLanes<Real> || s.last_column < strip_left) return 0;
    const int first = std::max(0, s.first_row - top), last = std::min(kTile - 1, s.last_row - top);
    if (first > last) return 0;
    return alive[strip] & ((2u << last) - (1u << first));
  }
};

// Column centres of a strip.
template <class Real>
RECON_INLINE Vec<Real> centres(int first) {
  Vec<Real> x;
  for (int l = 0; l < kLanes<Real>; ++l) x[l] = Real(first + l) + Real(0.5);
  return x;
}

// One splat at one row of a strip.
template <class Real>
struct Touch {
  Mask<Real> hit;          // alpha >= kMinAlpha
  Vec<Real> unclamped;     // opacity exp(-power)
  Vec<Real> alpha;         // not above kMaxAlpha
  Vec<Real> before, after;  // transmittance
  Mask<Real> contributes;  // hit, and the ray goes on

  // Rounding may lift the exponent over the opacity's, by which a Gaussian's own centre would get lost if that were
  // taken for a miss: it is clamped.
  RECON_INLINE void evaluate(Vec<Real> exponent, const Splat<Real>& s, Vec<Real> transmittance) {
    unclamped = exp2(min(exponent, splat(s.log2_opacity)));
    alpha = min(unclamped, splat(Real(kMaxAlpha)));
    before = transmittance;
    after = before * (Real(1) - alpha);
    contributes = hit & (after > Real(kMinTransmittance));
  }

  RECON_INLINE Vec<Real> next_transmittance() const {
    const Vec<Real> stopped = before < Real(0) ? before : -before;
    return contributes ? after : (hit ? stopped : before);
  }
};

constexpr int kSplatsBetweenChecks = 16;  // how often `ended` is asked: it reads the whole tile

}  // namespace recon
