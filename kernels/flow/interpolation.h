// Samples between samples: interpolation kernels, and planes sampled by them one by one and in blocks.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "flow/bytes.h"
#include "flow/samples.h"
#include "flow/simd.h"

namespace vsvfi::flow {

constexpr int kPhases = 64;  // positions between two samples
constexpr int kDoubts = 16;  // steps of doubt beyond none
// Half -0.02 dB on Middlebury, -0.03 on clips; double 0.00, +0.04; sharpness +1.2, -2.2 % (docs/development/flow.md).
constexpr double kSmoothing = 0.5;  // share of the smooth kernel under full doubt
constexpr float kFilteredStep = 1.0f / (static_cast<float>(kAcrossOne) * kDownOne);

// What the neighbours of a position weigh, as floats and as integers for bytes (see bytes.h). Padded with zeros, so
// that eight can be taken at once.
struct alignas(64) Weights {
  float real[8] = {};
  int16_t down[8] = {};
  int8_t across[8] = {};
};

// Interpolation kernels by doubt and phase: a sharp one, and towards a smooth one where there is doubt, where a sharp
// picture would be sharp in the wrong place.
template <int Taps>
struct Kernels {
  Weights at[kDoubts + 1][kPhases];

  Kernels() {
    for (int phase = 0; phase < kPhases; ++phase) {
      const double f = static_cast<double>(phase) / kPhases;
      double sharp[Taps], smooth[Taps], sum = 0.0;
      for (int k = 0; k < Taps; ++k) {
        const double d = std::abs(f - (k - Taps / 2 + 1));
        sharp[k] = Taps == 4 ? cubic(d) : lanczos(d);
        smooth[k] = spline(d);
        sum += sharp[k];
      }
      for (int doubt = 0; doubt <= kDoubts; ++doubt) {
        Weights& to = at[doubt][phase];
        for (int k = 0; k < Taps; ++k) {
          const double own = sharp[k] / sum;
          to.real[k] = static_cast<float>(own + (smooth[k] - own) * kSmoothing * doubt / kDoubts);
        }
        whole_numbers(to.real, kAcrossOne, to.across);
        whole_numbers(to.real, kDownOne, to.down);
      }
    }
  }

  // Rounded so that they add up to one.
  template <class T>
  static void whole_numbers(const float* weights, int one, T* out) {
    int rest = one, greatest = 0;
    for (int k = 0; k < Taps; ++k) {
      out[k] = static_cast<T>(std::lround(weights[k] * static_cast<float>(one)));
      rest -= out[k];
      if (weights[k] > weights[greatest]) greatest = k;
    }
    out[greatest] = static_cast<T>(out[greatest] + rest);
  }

  // Cubic convolution (Keys 1981) with a = -0.75.
  static double cubic(double d) {
    constexpr double a = -0.75;
    if (d < 1.0) return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    return d < 2.0 ? ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a : 0.0;
  }

  static double lanczos(double d) {
    constexpr double kPi = 3.14159265358979323846, lobes = Taps / 2;
    if (d < 1e-9) return 1.0;
    if (d == std::floor(d) || d >= lobes) return 0.0;
    return lobes * std::sin(kPi * d) * std::sin(kPi * d / lobes) / (kPi * kPi * d * d);
  }

  static double spline(double d) {
    if (d < 1.0) return (4.0 - 6.0 * d * d + 3.0 * d * d * d) / 6.0;
    return d < 2.0 ? (2.0 - d) * (2.0 - d) * (2.0 - d) / 6.0 : 0.0;
  }
};

template <int Taps>
const Kernels<Taps> kernels_of;

// Where a kernel lies and what it weighs.
template <int Taps>
struct Place {
  int x, y;    // of the first sample under the kernel
  bool whole;  // on a sample, and in no doubt: nothing to interpolate
  const Weights *across, *down;

  // `beyond`: samples over the border that the position may lie.
  Place(const Plane& plane, float px, float py, float doubt, int beyond = 0) {
    const float more = static_cast<float>(beyond);
    px = std::min(std::max(px + more, 0.0f), static_cast<float>(plane.width - 1) + 2.0f * more);
    py = std::min(std::max(py + more, 0.0f), static_cast<float>(plane.height - 1) + 2.0f * more);
    const int degree = static_cast<int>(std::min(std::max(doubt, 0.0f), 1.0f) * kDoubts + 0.5f);
    *this = Place(static_cast<int>(px * kPhases + 0.5f), static_cast<int>(py * kPhases + 0.5f), degree);
    x -= beyond;
    y -= beyond;
  }

  // From a position in steps of 1 / kPhases, and a degree of doubt.
  Place(int fixed_x, int fixed_y, int degree) {
    const unsigned phase_x = static_cast<unsigned>(fixed_x) % kPhases;
    const unsigned phase_y = static_cast<unsigned>(fixed_y) % kPhases;
    x = static_cast<int>(static_cast<unsigned>(fixed_x) / kPhases) - Taps / 2 + 1;
    y = static_cast<int>(static_cast<unsigned>(fixed_y) / kPhases) - Taps / 2 + 1;
    across = &kernels_of<Taps>.at[degree][phase_x];
    down = &kernels_of<Taps>.at[degree][phase_y];
    whole = (phase_x | phase_y) == 0 && degree == 0;
  }
};

// One sample, anywhere.
template <class S, int Taps>
float sample(const Plane& plane, const Place<Taps>& at) {
  if (at.x >= 0 && at.y >= 0 && at.x + 8 <= plane.width && at.y + Taps <= plane.height) {
    if constexpr (std::is_same_v<S, Sample<kUint8>>) {
      return kFilteredStep * static_cast<float>(filtered_sample<Taps>(row_of<S>(plane, at.y) + at.x, plane.stride,
                                                                      at.across->across, at.down->down));
    } else {
      Vec8 columns = {};
      for (int j = 0; j < Taps; ++j) columns += S::load_run(row_of<S>(plane, at.y + j) + at.x) * at.down->real[j];
      return sum8(columns * load8(at.across->real));
    }
  }
  float sum = 0.0f;
  for (int j = 0; j < Taps; ++j) {
    const auto* row = row_of<S>(plane, clamp_index(at.y + j, plane.height));
    float across = 0.0f;
    if (at.x >= 0 && at.x + Taps <= plane.width) {
      for (int k = 0; k < Taps; ++k) across += at.across->real[k] * S::load(row[at.x + k]);
    } else {
      for (int k = 0; k < Taps; ++k) across += at.across->real[k] * S::load(row[clamp_index(at.x + k, plane.width)]);
    }
    sum += at.down->real[j] * across;
  }
  return sum;
}

constexpr int kAround = 24;  // samples in each row under a block of 16 and its kernel

// Those samples in Rows rows: the plane's own, or over the border a copy, the outermost ones repeated.
template <class S, int Rows>
struct Around {
  using Type = typename S::Type;
  Type beyond[Rows * kAround];
  const Type* from = beyond;
  ptrdiff_t stride = kAround * sizeof(Type);  // bytes from row to row

  Around(const Plane& plane, int x, int y) {
    if (x >= 0 && y >= 0 && x + kAround <= plane.width && y + Rows <= plane.height) {
      from = row_of<S>(plane, y) + x;
      stride = plane.stride;
      return;
    }
    for (int j = 0; j < Rows; ++j) {
      const Type* row = row_of<S>(plane, clamp_index(y + j, plane.height));
      for (int i = 0; i < kAround; ++i) beyond[j * kAround + i] = row[clamp_index(x + i, plane.width)];
    }
  }

  const Type* row(int j) const {
    return reinterpret_cast<const Type*>(reinterpret_cast<const char*>(from) + j * stride);
  }
};

// A block of 16 samples in each of Rows rows that share one motion. One step after the other over all rows, so that
// nothing is read again while it is still being written.
template <class S, int Taps, int Rows>
void sample_block(const Plane& plane, const Place<Taps>& at, Vec8 (&out)[Rows][2]) {
  constexpr int kDown = Rows + Taps - 1, kRuns = kAround / 8;
  const Around<S, kDown> around(plane, at.x, at.y);
  if (at.whole) {
    for (int j = 0; j < Rows; ++j) {
      const auto* row = around.row(Taps / 2 - 1 + j) + Taps / 2 - 1;
      for (int i = 0; i < 2; ++i) out[j][i] = S::load_run(row + 8 * i);
    }
    return;
  }
  Vec8 down[Taps], across[Taps], rows[kDown][kRuns];
  for (int k = 0; k < Taps; ++k) down[k] = all8(at.down->real[k]);
  for (int k = 0; k < Taps; ++k) across[k] = all8(at.across->real[k]);
  for (int j = 0; j < kDown; ++j) {
    for (int i = 0; i < kRuns; ++i) rows[j][i] = S::load_run(around.row(j) + 8 * i);
  }
  alignas(32) float columns[Rows][kAround];
  for (int i = 0; i < kRuns; ++i) {
    for (int j = 0; j < Rows; ++j) {
      Vec8 sum = rows[j][i] * down[0];
      for (int k = 1; k < Taps; ++k) sum += rows[j + k][i] * down[k];
      store8(columns[j] + 8 * i, sum);
    }
  }
  for (int j = 0; j < Rows; ++j) {
    for (int i = 0; i < 2; ++i) {
      Vec8 sum = load8(columns[j] + 8 * i) * across[0];
      for (int k = 1; k < Taps; ++k) sum += load8(columns[j] + 8 * i + k) * across[k];
      out[j][i] = sum;
    }
  }
}

// The same for bytes, times kSampleOne.
template <int Taps, int Rows>
void sample_block(const Plane& plane, const Place<Taps>& at, Words16 (&out)[Rows]) {
  constexpr int kDown = Rows + Taps - 1;
  const Around<Sample<kUint8>, kDown> around(plane, at.x, at.y);
  if (at.whole) {
    for (int j = 0; j < Rows; ++j) out[j] = widened(around.row(Taps / 2 - 1 + j) + Taps / 2 - 1);
    return;
  }
  Words16 rows[kDown];
  for (int j = 0; j < kDown; ++j) rows[j] = across16<Taps>(around.row(j), at.across->across);
  for (int j = 0; j < Rows; ++j) {
    out[j] = product(rows[j], all16(at.down->down[0]));
    for (int k = 1; k < Taps; ++k) out[j] = out[j] + product(rows[j + k], all16(at.down->down[k]));
  }
}

}  // namespace vsvfi::flow
