// What the forward and the backward pass over a tile share: walking its splats block by block.
//
// A vector holds a block of neighbouring pixels, as square as its lanes allow: a small splat then touches a third
// fewer vectors than if they were rows. A tile's blocks are bits of one integer, row by row, so that what cannot
// matter (blocks outside the splat's box, blocks whose pixels all ended) is masked away before any arithmetic.
#pragma once

#include "binning.h"
#include "simd.h"

namespace recon {

template <class Real>
struct Blocks {
  static constexpr int width = kLanes<Real> >= 8 ? 4 : 2, height = kLanes<Real> / width;  // pixels
  static constexpr int columns = kTile / width, rows = kTile / height, count = columns * rows;
  static_assert(count <= 64, "one bit a block");

  static constexpr uint64_t first_bits(int n) { return n >= 64 ? ~uint64_t(0) : (uint64_t(1) << n) - 1; }

  // One bit at the start of each row of blocks.
  static constexpr uint64_t row_starts() {
    uint64_t bits = 0;
    for (int row = 0; row < rows; ++row) bits |= uint64_t(1) << row * columns;
    return bits;
  }
};

// Per-pixel values of a tile, block by block.
template <class Real>
struct alignas(64) TilePlane {
  Real values[kTile * kTile];

  RECON_INLINE Vec<Real> get(int block) const { return load(values + block * kLanes<Real>); }
  RECON_INLINE void set(int block, Vec<Real> v) { store(values + block * kLanes<Real>, v); }
  RECON_INLINE Real& at(int row, int column) {
    using B = Blocks<Real>;
    const int block = row / B::height * B::columns + column / B::width;
    return values[block * kLanes<Real> + row % B::height * B::width + column % B::width];
  }
};

template <class Real>
struct TileWalk {
  using B = Blocks<Real>;
  int left, top, columns, rows;  // pixels; columns and rows that lie in the image
  // Transmittance before the next splat. Ended pixels hold minus the value they ended with, so that one comparison
  // with kMinTransmittance serves both ends of a ray.
  TilePlane<Real> transmittance;
  uint64_t alive = B::first_bits(B::count);  // blocks of which some pixel goes on
  Vec<Real> x[B::columns], y[B::rows];       // pixel centres of a column and a row of blocks

  TileWalk(const Frame<Real>& frame, int tile) {
    left = tile % frame.columns * kTile;
    top = tile / frame.columns * kTile;
    columns = std::min(kTile, frame.width - left);
    rows = std::min(kTile, frame.height - top);
    for (int row = 0; row < kTile; ++row)
      for (int column = 0; column < kTile; ++column)
        transmittance.at(row, column) = row < rows && column < columns ? Real(1) : Real(-1);
    for (int l = 0; l < kLanes<Real>; ++l) {
      for (int c = 0; c < B::columns; ++c) x[c][l] = Real(left + c * B::width + l % B::width) + Real(0.5);
      for (int r = 0; r < B::rows; ++r) y[r][l] = Real(top + r * B::height + l / B::width) + Real(0.5);
    }
  }

  // Drops blocks that ended; true if none is left.
  bool ended() {
    for (uint64_t bits = alive; bits; bits &= bits - 1) {
      const int block = __builtin_ctzll(bits);
      if (!any(above(transmittance.get(block), Vec<Real>{}))) alive &= ~(uint64_t(1) << block);
    }
    return alive == 0;
  }

  // Blocks where the splat may be seen, by its box.
  RECON_INLINE uint64_t blocks_of(const Splat<Real>& s) const {
    const int first_row = std::max(0, s.first_row - top) / B::height;
    const int last_row = std::min(kTile - 1, s.last_row - top) / B::height;
    const int first_column = std::max(0, s.first_column - left) / B::width;
    const int last_column = std::min(kTile - 1, s.last_column - left) / B::width;
    const uint64_t in_rows = B::first_bits((last_row + 1) * B::columns) & ~B::first_bits(first_row * B::columns);
    const uint64_t in_columns = B::first_bits(last_column + 1) & ~B::first_bits(first_column);
    return alive & in_rows & in_columns * B::row_starts();
  }
};

// One splat at one block.
template <class Real>
struct Touch {
  Vec<Real> dx, dy;         // from the mean to the pixels
  Vec<Real> exponent;       // log2 of opacity exp(-power)
  Mask<Real> hit;           // alpha >= kMinAlpha
  Mask<Real> contributes;   // hit, and the ray goes on
  Vec<Real> alpha;          // not above 0.999
  Vec<Real> before, after;  // transmittance

  // Whether the splat is seen at the block; if so, `evaluate` does the rest.
  RECON_INLINE bool reach(const TileWalk<Real>& walk, const Splat<Real>& s, int block) {
    dx = walk.x[block % Blocks<Real>::columns] - s.x;
    dy = walk.y[block / Blocks<Real>::columns] - s.y;
    exponent = dx * (dx * s.xx + dy * s.xy) + (dy * dy * s.yy + s.log2_opacity);
    hit = at_least(exponent, splat(Real(kLog2MinAlpha)));
    return any(hit);
  }

  // Rounding may lift the exponent over the opacity's, by which a Gaussian's own centre would get lost if that were
  // taken for a miss: it is clamped, together with alpha.
  RECON_INLINE void evaluate(const Splat<Real>& s, Vec<Real> transmittance) {
    alpha = exp2(min(exponent, splat(std::min(s.log2_opacity, Real(kLog2MaxAlpha)))));
    before = transmittance;
    after = before * (Real(1) - alpha);
    contributes = hit & above(after, splat(Real(kMinTransmittance)));
  }

  // Where alpha follows the splat, its clamp being open.
  RECON_INLINE Mask<Real> moves() const { return contributes & at_least(splat(Real(kLog2MaxAlpha)), exponent); }

  RECON_INLINE Vec<Real> next_transmittance() const {
    return select(contributes, after, select(hit, negative(before), before));
  }
};

constexpr int kSplatsBetweenChecks = 16;  // how often `ended` is asked: it reads the whole tile

// Asks for the splat of a pair some way ahead: waiting for each would take half of a tile's time.
template <class Real>
RECON_INLINE void prefetch(const Frame<Real>& frame, int64_t pair, int64_t end) {
  __builtin_prefetch(&frame.splats[frame.pair_splats[std::min(pair + kAhead, end - 1)]]);
}

}  // namespace recon
