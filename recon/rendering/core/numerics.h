// The constants of the specification (recon/rendering/reference.py) and the exported symbols' marker.
#pragma once

#include <cstdint>

#define RECON_EXPORT extern "C" __attribute__((visibility("default")))

namespace recon {

constexpr double kEps2d = 0.3;               // pixels^2 added to the diagonal of the projected covariance
constexpr double kMinAlpha = 1.0 / 255.0;    // contributions below it are skipped
constexpr double kMinTransmittance = 1e-4;   // a ray ends before the Gaussian that would bring it here
constexpr double kFar = 1e10;                // world units
constexpr double kMaxRadius = 1 << 30;       // pixels; fits an int32
constexpr double kFieldMargin = 0.3;         // of the half field of view: where linearisation stops to follow
constexpr double kLog2MinAlpha = -7.994353436858858;  // log2(1 / 255)
constexpr double kLog2MaxAlpha = -0.0014434168696687;  // log2(0.999): keeps 1 / (1 - alpha) finite
constexpr double kLog2E = 1.4426950408889634;

constexpr int kTile = 16;     // pixels on a side; one tile row is one AVX-512 register of floats
constexpr int kFeatures = 4;  // red, green, blue, depth

}  // namespace recon
