// Plane-sweep stereo: how well one source photo agrees with a reference photo on planes of constant inverse depth, by
// zero-mean normalised cross-correlation in two windows and by colour. The specification is the torch code of
// recon/methods/priors/stereo.py.
//
// A plane is a piece of work. Its rows are warped one after another into a ring that holds those under the larger
// window, so that all but the photos and the score stays in the cache. Windows that reach over the border see its
// pixels repeated. Sums are made anew for each window: running sums would lose what the variance of a flat one needs.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "numerics.h"
#include "parallel.h"
#include "simd.h"

namespace recon {
namespace {

using Floats = Vec<float>;
constexpr int kWidth = kLanes<float>;
constexpr float kMinVariance = 1e-5f;  // of one grey level of 8 bits: below it a window holds noise
constexpr float kMinDepth = 1e-6f;     // divisor for what lies behind the source's camera

// Red, green, blue and their mean: one load brings all that is interpolated.
typedef float Colour __attribute__((vector_size(16)));

RECON_INLINE Colour load_colour(const float* from) {
  Colour colour;
  std::memcpy(&colour, from, sizeof(colour));
  return colour;
}

struct Photo {
  const float* colours;  // (h, w, 4)
  int width, height;
};

// The reference's grey under a square window.
struct Window {
  const float *mean, *variance;  // (h, w)
  int radius;
};

struct Sweep {
  Photo reference, source;
  Window small, large;
  const double* homography;  // (3, 4): depth times (u, v, 1) = homography (x, y, 1, inverse depth), up to a factor
  float unseen;              // score of what leaves the source's picture
};

// Rows with `margin` values before and behind, and room for the last vector's excess.
class Rows {
 public:
  Rows(int count, int width, int margin)
      : width_(width), margin_(margin), stride_(width + 2 * margin + kWidth), values_(count * stride_) {}
  float* operator[](int row) { return values_.data() + row * stride_ + margin_; }
  void repeat_border(int row) {
    float* values = (*this)[row];
    std::fill(values - margin_, values, values[0]);
    std::fill(values + width_, values + width_ + margin_, values[width_ - 1]);
  }

 private:
  int width_, margin_;
  int64_t stride_;
  std::vector<float> values_;
};

// Where a row of the reference lies in the source: the upper left of four pixels, and the share of the others.
struct Positions {
  std::vector<int32_t> offset;
  std::vector<float> right, down;
  explicit Positions(int width) : offset(width + kWidth), right(width + kWidth), down(width + kWidth) {}
};

// A coordinate of an axis as the pixel before it and the share of the one behind, both inside: the border is repeated.
RECON_INLINE void split_coordinate(Floats at, int length, Int<float>& before, Floats& share) {
  at = max(at - 0.5f, Floats{});  // in this order, which makes a NaN 0
  at = min(at, splat(length - 1.0f));
  before = __builtin_convertvector(min(at, splat(std::max(length - 2, 0) + 0.5f)), Int<float>);
  share = at - __builtin_convertvector(before, Floats);
}

// Fills `seen` with ones where the row falls into the source's picture, and zeros elsewhere.
void project_row(const Sweep& sweep, int y, double inverse_depth, Positions& to, float* seen) {
  const int width = sweep.source.width, height = sweep.source.height;
  float start[3], step[3];
  for (int axis = 0; axis < 3; ++axis) {
    const double* row = sweep.homography + 4 * axis;
    start[axis] = float(0.5 * row[0] + (y + 0.5) * row[1] + row[2] + inverse_depth * row[3]);
    step[axis] = float(row[0]);
  }
  Floats lanes;
  for (int l = 0; l < kWidth; ++l) lanes[l] = l;
  const Floats zero{}, one = splat(1.0f), right_end = splat(float(width)), lower_end = splat(float(height));
  for (int x = 0; x < sweep.reference.width; x += kWidth) {
    const Floats column = lanes + float(x), depth = start[2] + column * step[2];
    const Floats inverse = 1.0f / max(depth, splat(kMinDepth));
    const Floats u = (start[0] + column * step[0]) * inverse, v = (start[1] + column * step[1]) * inverse;
    Floats inside = select(above(depth, zero), one, zero);
    inside = select(at_least(u, zero), select(above(right_end, u), inside, zero), zero);
    store(seen + x, select(at_least(v, zero), select(above(lower_end, v), inside, zero), zero));
    Int<float> left, top;
    Floats right, down;
    split_coordinate(u, width, left, right);
    split_coordinate(v, height, top, down);
    const Int<float> offset = top * width + left;
    std::memcpy(&to.offset[x], &offset, sizeof(offset));
    store(&to.right[x], right);
    store(&to.down[x], down);
  }
}

// The source's colours at the positions.
void read_row(const Photo& source, const Positions& at, int width, float* colours) {
  const int64_t right = source.width > 1 ? 4 : 0, below = source.height > 1 ? 4 * int64_t(source.width) : 0;
  for (int x = 0; x < width; ++x) {
    const float* from = source.colours + 4 * int64_t(at.offset[x]);
    const Colour a = load_colour(from), b = load_colour(from + right);
    const Colour c = load_colour(from + below), d = load_colour(from + below + right);
    const Colour upper = a + at.right[x] * (b - a), lower = c + at.right[x] * (d - c);
    const Colour colour = upper + at.down[x] * (lower - upper);
    std::memcpy(colours + 4 * x, &colour, sizeof(colour));
  }
}

// What is averaged over windows: the warped grey, its square, its product with the reference's, and how far the colours
// are apart.
enum Map { kGrey, kSquare, kProduct, kDifference, kMaps };

// The score of one plane.
class PlaneScore {
 public:
  explicit PlaneScore(const Sweep& sweep)
      : sweep_(sweep),
        width_(sweep.reference.width),
        height_(sweep.reference.height),
        reach_(std::max(sweep.small.radius, sweep.large.radius)),
        positions_(width_),
        colours_(4 * width_),
        maps_(kMaps * ring(), width_, 0),
        seen_(ring(), width_, 0),
        columns_(kMaps, width_, reach_),
        under_(ring()) {}

  // score: (h, w).
  void compute(float inverse_depth, float* score) {
    for (int row = 0; row < height_ + reach_; ++row) {
      if (row < height_) warp(row, inverse_depth);
      if (row >= reach_) score_row(row - reach_, score + int64_t(row - reach_) * width_);
    }
  }

 private:
  int ring() const { return 2 * reach_ + 1; }
  float* map(Map which, int row) { return maps_[which * ring() + row % ring()]; }

  void warp(int y, float inverse_depth) {
    project_row(sweep_, y, inverse_depth, positions_, seen_[y % ring()]);
    read_row(sweep_.source, positions_, width_, colours_.data());
    const float* reference = sweep_.reference.colours + 4 * int64_t(y) * width_;
    float *grey = map(kGrey, y), *square = map(kSquare, y), *product = map(kProduct, y);
    float* difference = map(kDifference, y);
    for (int x = 0; x < width_; ++x) {
      const float *p = &colours_[4 * x], *q = reference + 4 * x;
      grey[x] = p[3];
      square[x] = p[3] * p[3];
      product[x] = p[3] * q[3];
      difference[x] = (std::abs(p[0] - q[0]) + std::abs(p[1] - q[1]) + std::abs(p[2] - q[2])) * (1.0f / 3);
    }
  }

  // Means down the columns; the border is repeated.
  void average_columns(Map which, int y, int radius) {
    for (int k = -radius; k <= radius; ++k) under_[k + radius] = map(which, std::clamp(y + k, 0, height_ - 1));
    const float share = 1.0f / (2 * radius + 1);
    float* out = columns_[which];
    for (int x = 0; x < width_; x += kWidth) {
      Floats sum{};
      for (int k = 0; k <= 2 * radius; ++k) sum += load(under_[k] + x);
      store(out + x, share * sum);
    }
    columns_.repeat_border(which);
  }

  Floats average_row(Map which, int x, int radius) {
    Floats sum{};
    for (int k = -radius; k <= radius; ++k) sum += load(columns_[which] + x + k);
    return sum * (1.0f / (2 * radius + 1));
  }

  Floats correlation(const Window& window, int y, int x) {
    const int64_t at = int64_t(y) * width_ + x;
    const Floats mean = load_first(window.mean + at, width_ - x);
    const Floats variance = max(load_first(window.variance + at, width_ - x), splat(kMinVariance));
    const Floats own_mean = average_row(kGrey, x, window.radius);
    const Floats own_variance = average_row(kSquare, x, window.radius) - own_mean * own_mean;
    const Floats covariance = average_row(kProduct, x, window.radius) - mean * own_mean;
    return covariance * reciprocal_root(variance * max(own_variance, splat(kMinVariance)));
  }

  void score_row(int y, float* score) {
    for (Map which : {kGrey, kSquare, kProduct, kDifference}) average_columns(which, y, sweep_.small.radius);
    for (int x = 0; x < width_; x += kWidth) {
      const Floats difference = average_row(kDifference, x, sweep_.small.radius);
      store_first(score + x, 0.5f * (correlation(sweep_.small, y, x) - difference), width_ - x);
    }
    for (Map which : {kGrey, kSquare, kProduct}) average_columns(which, y, sweep_.large.radius);
    for (int x = 0; x < width_; x += kWidth) {
      const Floats sum = load_first(score + x, width_ - x) + 0.5f * correlation(sweep_.large, y, x);
      const Floats seen = load(seen_[y % ring()] + x);
      store_first(score + x, select(above(seen, Floats{}), sum, splat(sweep_.unseen)), width_ - x);
    }
  }

  const Sweep& sweep_;
  int width_, height_, reach_;
  Positions positions_;
  std::vector<float> colours_;
  Rows maps_, seen_, columns_;
  std::vector<const float*> under_;  // the rows of a map under a window
};

}  // namespace
}  // namespace recon

// reference, source: (h, w, 4), the colours and their mean; statistics: (4, h, w), the mean and
// the variance of the reference's grey in the small and in the large window; homography: (3, 4); score: (planes, h, w).
RECON_EXPORT void recon_sweep_f32(int threads, const float* reference, int width, int height, const float* source,
                                  int source_width, int source_height, const float* statistics, int small_radius,
                                  int large_radius, const double* homography, const float* inverse_depths, int planes,
                                  double unseen, float* score) {
  using namespace recon;
  const int64_t size = int64_t(width) * height;
  const Sweep sweep{{reference, width, height},
                    {source, source_width, source_height},
                    {statistics, statistics + size, small_radius},
                    {statistics + 2 * size, statistics + 3 * size, large_radius},
                    homography,
                    static_cast<float>(unseen)};
  for_each(planes, threads, [&](int plane) {
    PlaneScore(sweep).compute(inverse_depths[plane], score + plane * size);
  });
}
