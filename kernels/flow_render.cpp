// A new plane from the planes before and after it: both sampled along the motion, blended by what each one sees.
#include <algorithm>
#include <cmath>
#include <vector>

#include "api.h"
#include "flow_field.h"
#include "flow_samples.h"
#include "flow_simd.h"
#include "parallel.h"

namespace vsvfi::flow {
namespace {

constexpr int kRun = 8;      // samples of a row that may share one motion
constexpr int kPhases = 64;  // positions between two samples

// Interpolation kernels by phase: a sharp one, and a smooth one for places in doubt, where a sharp picture would be
// sharp in the wrong place.
template <int Taps>
struct Kernels {
  // Padded with zeros, so that eight can be taken at once.
  float sharp[kPhases][8] = {}, smooth[kPhases][8] = {};

  Kernels() {
    for (int phase = 0; phase < kPhases; ++phase) {
      const double f = static_cast<double>(phase) / kPhases;
      double sum = 0.0;
      for (int k = 0; k < Taps; ++k) {
        const double d = std::abs(f - (k - Taps / 2 + 1));
        sharp[phase][k] = static_cast<float>(Taps == 4 ? cubic(d) : lanczos(d));
        smooth[phase][k] = static_cast<float>(spline(d));
        sum += sharp[phase][k];
      }
      for (int k = 0; k < Taps; ++k) sharp[phase][k] = static_cast<float>(sharp[phase][k] / sum);
    }
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

// Where a kernel lies and what it weighs. Points into itself where the weights are its own: not to be copied.
template <int Taps>
struct Place {
  int x, y;    // of the first sample under the kernel
  bool whole;  // on a sample, and in no doubt: nothing to interpolate
  const float *across, *down;
  float mixed[2][8];

  Place(const Plane& plane, float px, float py, float doubt) {
    px = std::min(std::max(px, 0.0f), static_cast<float>(plane.width - 1));
    py = std::min(std::max(py, 0.0f), static_cast<float>(plane.height - 1));
    const int fixed_x = static_cast<int>(px * kPhases + 0.5f), fixed_y = static_cast<int>(py * kPhases + 0.5f);
    const int phase_x = fixed_x % kPhases, phase_y = fixed_y % kPhases;
    x = fixed_x / kPhases - Taps / 2 + 1;
    y = fixed_y / kPhases - Taps / 2 + 1;
    const Kernels<Taps>& kernels = kernels_of<Taps>;
    across = kernels.sharp[phase_x];
    down = kernels.sharp[phase_y];
    whole = (phase_x | phase_y) == 0;
    if (doubt > 0.0f) {
      whole = false;
      for (int k = 0; k < 8; ++k) mixed[0][k] = across[k] + (kernels.smooth[phase_x][k] - across[k]) * doubt;
      for (int k = 0; k < 8; ++k) mixed[1][k] = down[k] + (kernels.smooth[phase_y][k] - down[k]) * doubt;
      across = mixed[0];
      down = mixed[1];
    }
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
};

// One sample, anywhere.
template <class S, int Taps>
float sample(const Plane& plane, const Place<Taps>& at) {
  if (at.x >= 0 && at.y >= 0 && at.x + 8 <= plane.width && at.y + Taps <= plane.height) {
    Vec8 columns = {};
    for (int j = 0; j < Taps; ++j) columns += S::load_run(row_of<S>(plane, at.y + j) + at.x) * at.down[j];
    return sum8(columns * load8(at.across));
  }
  float sum = 0.0f;
  for (int j = 0; j < Taps; ++j) {
    const auto* row = row_of<S>(plane, clamp_index(at.y + j, plane.height));
    float across = 0.0f;
    if (at.x >= 0 && at.x + Taps <= plane.width) {
      for (int k = 0; k < Taps; ++k) across += at.across[k] * S::load(row[at.x + k]);
    } else {
      for (int k = 0; k < Taps; ++k) across += at.across[k] * S::load(row[clamp_index(at.x + k, plane.width)]);
    }
    sum += at.down[j] * across;
  }
  return sum;
}

// kRun neighbours that share one motion.
template <class S, int Taps>
Vec8 sample_run(const Plane& plane, const Place<Taps>& at) {
  if (at.whole) return S::load_run(row_of<S>(plane, at.y + Taps / 2 - 1) + at.x + Taps / 2 - 1);
  Vec8 near = {}, far = {};
  for (int j = 0; j < Taps; ++j) {
    const auto* row = row_of<S>(plane, at.y + j) + at.x;
    near += S::load_run(row) * at.down[j];
    far += S::load_run(row + 8) * at.down[j];
  }
  float columns[16];
  store8(columns, near);
  store8(columns + 8, far);
  Vec8 out = {};
  for (int k = 0; k < Taps; ++k) out += load8(columns + k) * at.across[k];
  return out;
}

template <int Taps>
bool inside(const Plane& plane, const Place<Taps>& at) {
  return at.x >= 0 && at.y >= 0 && at.x + 16 <= plane.width && at.y + Taps <= plane.height;
}

// One row of the motion grid, between two of its rows, with motion in samples of the plane.
struct MotionRow {
  std::vector<float> x, y, doubt, share;

  explicit MotionRow(int width) : x(width), y(width), doubt(width), share(width) {}

  void fill(const Vector* top, const Vector* bottom, float f, float scale_x, float scale_y) {
    const int width = static_cast<int>(x.size());
    for (int i = 0; i < width; ++i) {
      const Vector a = top[i], b = bottom[i];
      x[i] = (a.x + (b.x - a.x) * f) * scale_x;
      y[i] = (a.y + (b.y - a.y) * f) * scale_y;
      doubt[i] = a.doubt + (b.doubt - a.doubt) * f;
      share[i] = a.weight + (b.weight - a.weight) * f;
    }
  }
};

struct Between {
  int i, j;
  float f;
  float operator()(const std::vector<float>& row) const { return row[i] + (row[j] - row[i]) * f; }
};

Between between(float position, int size) {
  position = std::min(std::max(position, 0.0f), static_cast<float>(size - 1));
  const int i = static_cast<int>(position);
  return {i, std::min(i + 1, size - 1), position - static_cast<float>(i)};
}

float range(const std::vector<float>& row, int from, int to) {
  float low = row[from], high = low;
  for (int i = from + 1; i <= to; ++i) {
    low = std::min(low, row[i]);
    high = std::max(high, row[i]);
  }
  return high - low;
}

// Where the samples of a run lie on the motion grid; the same in every row.
struct Run {
  Between left, middle, right;
};

template <class S, int Taps>
void render(const Plane& first, const Plane& second, const Plane& out, const Vector* motion, int width, int height,
            float time, float tolerance) {
  const float step_x = static_cast<float>(width) / static_cast<float>(out.width);
  const float step_y = static_cast<float>(height) / static_cast<float>(out.height);
  const float before = -time, after = 1.0f - time;
  const auto across = [&](float x) { return between((x + 0.5f) * step_x - 0.5f, width); };
  std::vector<Run> runs;
  for (int x = 0; x + kRun <= out.width; x += kRun) {
    const float at = static_cast<float>(x);
    runs.push_back({across(at), across(at + 0.5f * (kRun - 1)), across(at + kRun - 1)});
  }
  parallel_for(out.height, 8, [&](int64_t begin, int64_t end) {
    constexpr float kLanes[kRun] = {0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f};
    const Vec8 ramp = load8(kLanes) * (1.0f / (kRun - 1));
    MotionRow row(width);
    for (int y = static_cast<int>(begin); y < end; ++y) {
      const Between down = between((static_cast<float>(y) + 0.5f) * step_y - 0.5f, height);
      row.fill(motion + static_cast<ptrdiff_t>(down.i) * width, motion + static_cast<ptrdiff_t>(down.j) * width, down.f,
               1.0f / step_x, 1.0f / step_y);
      auto* to = writable_row_of<S>(out, y);
      const float py = static_cast<float>(y);
      for (int x = 0; x < out.width; x += kRun) {
        if (x + kRun <= out.width) {
          const Run& run = runs[x / kRun];
          if (range(row.x, run.left.i, run.right.j) <= tolerance && range(row.y, run.left.i, run.right.j) <= tolerance) {
            const float u = run.middle(row.x), v = run.middle(row.y), doubt = run.middle(row.doubt);
            const float px = static_cast<float>(x);
            const Place<Taps> a(first, px + before * u, py + before * v, doubt);
            const Place<Taps> b(second, px + after * u, py + after * v, doubt);
            if (inside(first, a) && inside(second, b)) {
              const float share = run.left(row.share);
              const Vec8 shares = ramp * (run.right(row.share) - share) + share;
              const Vec8 later = sample_run<S>(second, b);
              S::store_run(to + x, later + (sample_run<S>(first, a) - later) * shares, out.peak);
              continue;
            }
          }
        }
        for (int k = x; k < std::min(x + kRun, out.width); ++k) {
          const Between at = across(static_cast<float>(k));
          const float u = at(row.x), v = at(row.y), doubt = at(row.doubt), px = static_cast<float>(k);
          const float a = sample<S>(first, Place<Taps>(first, px + before * u, py + before * v, doubt));
          const float b = sample<S>(second, Place<Taps>(second, px + after * u, py + after * v, doubt));
          to[k] = S::store(b + (a - b) * at(row.share), out.peak);
        }
      }
    }
  });
}

}  // namespace
}  // namespace vsvfi::flow

// Draws `out` at `time`; the motion lies on a (width, height) grid over the picture. Samples of a row share one motion
// where it differs by less than `tolerance` samples. `taps` of the kernel: 4 or 8.
VSVFI_API void vsvfi_flow_render(const vsvfi::flow::Plane* first, const vsvfi::flow::Plane* second,
                                 const vsvfi::flow::Plane* out, const vsvfi::flow::Vector* motion, int32_t width,
                                 int32_t height, float time, float tolerance, int32_t taps) {
  using namespace vsvfi::flow;
  with_kind(out->kind, [&](auto s) {
    using S = decltype(s);
    if (taps == 8) {
      render<S, 8>(*first, *second, *out, motion, width, height, time, tolerance);
    } else {
      render<S, 4>(*first, *second, *out, motion, width, height, time, tolerance);
    }
  });
}
