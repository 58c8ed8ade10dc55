// A new plane from the planes before and after it: both sampled along the motion, blended by what each one sees.
#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "common/api.h"
#include "flow/bytes.h"
#include "flow/samples.h"
#include "flow/simd.h"
#include "common/parallel.h"

namespace vsvfi::flow {
namespace {

constexpr int kPhases = 64;  // positions between two samples
constexpr int kDoubts = 16;  // degrees of doubt beyond none
constexpr int kBeyond = 32;  // samples over the border from where a block shows the border alone
constexpr float kFilteredStep = 1.0f / (static_cast<float>(kAcrossOne) * kDownOne);
constexpr float kShareTolerance = 0.35f;  // by which the shares of a block may differ
constexpr float kIndifference = 8.0f;     // how much more motion may differ in a block where nothing is sure of it

// What the neighbours of a position weigh, as floats and as integers for bytes (see flow_bytes.h). Padded with zeros, so
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
          to.real[k] = static_cast<float>(own + (smooth[k] - own) * doubt / kDoubts);
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
    const unsigned phase_x = static_cast<unsigned>(fixed_x) % kPhases, phase_y = static_cast<unsigned>(fixed_y) % kPhases;
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
    if constexpr (std::is_same_v<S, Sample<kByte>>) {
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
  const Around<Sample<kByte>, kDown> around(plane, at.x, at.y);
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

// One row of the motion grid, between two of its rows, with motion in samples of the plane.
struct MotionRow {
  std::vector<float> x, y, doubt, share;

  explicit MotionRow(int width) : x(width), y(width), doubt(width), share(width) {}

  // Columns [begin, end) of it.
  void fill(const float* motion, ptrdiff_t plane, ptrdiff_t top, ptrdiff_t bottom, float f, float scale_x,
            float scale_y, int begin, int end) {
    const auto mix = [&](int k, float scale, std::vector<float>& out) {
      const float *a = motion + k * plane + top, *b = motion + k * plane + bottom;
      float* to = out.data();
      for (int i = begin; i < end; ++i) to[i] = (a[i] + (b[i] - a[i]) * f) * scale;
    };
    mix(0, scale_x, x);
    mix(1, scale_y, y);
    mix(2, 1.0f, doubt);
    mix(3, 1.0f, share);
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

// The least and the greatest of a few rows of one plane of the motion grid.
struct Extremes {
  std::vector<float> low, high;

  explicit Extremes(int width) : low(width), high(width) {}

  void fill(const float* plane, int width, int from, int to) {
    std::copy_n(plane + static_cast<ptrdiff_t>(from) * width, width, low.data());
    high = low;
    for (int y = from + 1; y <= to; ++y) {
      const float* row = plane + static_cast<ptrdiff_t>(y) * width;
      for (int x = 0; x < width; ++x) {
        low[x] = std::min(low[x], row[x]);
        high[x] = std::max(high[x], row[x]);
      }
    }
  }

  // Of two runs of rows together.
  void join(const Extremes& top, const Extremes& bottom) {
    for (size_t x = 0; x < low.size(); ++x) {
      low[x] = std::min(top.low[x], bottom.low[x]);
      high[x] = std::max(top.high[x], bottom.high[x]);
    }
  }

  float range(int from, int to) const {
    float least = low[from], most = high[from];
    for (int i = from + 1; i <= to; ++i) {
      least = std::min(least, low[i]);
      most = std::max(most, high[i]);
    }
    return most - least;
  }
};

template <class S, int Taps>
class Renderer {
 public:
  Renderer(const Plane& first, const Plane& second, const Plane& out, const float* motion, int width, int height,
           float time, float tolerance)
      : first_(first), second_(second), out_(out), motion_(motion), width_(width), height_(height),
        step_x_(static_cast<float>(width) / static_cast<float>(out.width)),
        step_y_(static_cast<float>(height) / static_cast<float>(out.height)),
        before_(-time), after_(1.0f - time), tolerance_(tolerance) {
    for (int x = 0; x < out.width; ++x) columns_.push_back(across(static_cast<float>(x)));
  }

  // Draws bands [begin, end) of kBand rows.
  void bands(int begin, int end) const {
    Scratch scratch(width_);
    for (int band = begin; band < end; ++band) {
      const int y = band * kBand, rows = std::min(kBand, out_.height - y);
      for (int half = 0; half * kHalf < rows; ++half) {
        fill(scratch.halves[half], y + half * kHalf, std::min(kHalf, rows - half * kHalf));
      }
      if (rows == kBand) join(scratch.whole, scratch.halves, y);
      for (int x = 0; x < out_.width; x += 16) {
        if (rows == kBand && x + 16 <= out_.width && block<2, kBand>(scratch.whole, x, y)) continue;
        for (int top = 0; top < rows; top += kHalf) {
          const Part& part = scratch.halves[top / kHalf];
          const int some = std::min(kHalf, rows - top);
          if (some == kHalf && x + 16 <= out_.width && block<2, kHalf>(part, x, y + top)) continue;
          for (int left = x; left < std::min(x + 16, out_.width); left += 8) {
            const int right = std::min(left + 8, out_.width);
            if (some == kHalf && right - left == 8 && block<1, kHalf>(part, left, y + top)) continue;
            for (int j = y + top; j < y + top + some; ++j) {
              fill(scratch.row, static_cast<float>(j), columns_[left].i, columns_[right - 1].j + 1);
              singles(scratch.row, left, right, j);
            }
          }
        }
      }
    }
  }

  static constexpr int kBand = 8, kHalf = kBand / 2;

 private:
  // What blocks that span some rows need to know about the motion there.
  struct Part {
    Extremes x, y, share;
    MotionRow middle;
    explicit Part(int width) : x(width), y(width), share(width), middle(width) {}
  };

  struct Scratch {
    Part whole;
    std::vector<Part> halves;
    MotionRow row;
    explicit Scratch(int width) : whole(width), halves(2, Part(width)), row(width) {}
  };

  void fill(Part& part, int y, int rows) const {
    const Between top = down(static_cast<float>(y)), bottom = down(static_cast<float>(y + rows - 1));
    part.x.fill(motion_, width_, top.i, bottom.j);
    part.y.fill(motion_ + plane(), width_, top.i, bottom.j);
    part.share.fill(motion_ + 3 * plane(), width_, top.i, bottom.j);
    fill(part.middle, static_cast<float>(y) + 0.5f * static_cast<float>(rows - 1), 0, width_);
  }

  void join(Part& whole, const std::vector<Part>& halves, int y) const {
    whole.x.join(halves[0].x, halves[1].x);
    whole.y.join(halves[0].y, halves[1].y);
    whole.share.join(halves[0].share, halves[1].share);
    fill(whole.middle, static_cast<float>(y) + 0.5f * static_cast<float>(kBand - 1), 0, width_);
  }

  ptrdiff_t plane() const { return static_cast<ptrdiff_t>(width_) * height_; }
  Between across(float x) const { return between((x + 0.5f) * step_x_ - 0.5f, width_); }
  Between down(float y) const { return between((y + 0.5f) * step_y_ - 0.5f, height_); }

  void fill(MotionRow& row, float y, int begin, int end) const {
    const Between at = down(y);
    const ptrdiff_t width = width_;
    row.fill(motion_, plane(), width * at.i, width * at.j, at.f, 1.0f / step_x_, 1.0f / step_y_, begin, end);
  }

  // Draws a block at once; false where its samples do not move alike.
  template <int Count, int Rows>
  bool block(const Part& part, int x, int y) const {
    const MotionRow& row = part.middle;
    const Between &left = columns_[x], &right = columns_[x + 8 * Count - 1];
    const float doubt = 0.5f * (left(row.doubt) + right(row.doubt)), tolerance = tolerance_ * (1.0f + kIndifference * doubt);
    if (part.x.range(left.i, right.j) > tolerance * step_x_ || part.y.range(left.i, right.j) > tolerance * step_y_ ||
        part.share.range(left.i, right.j) > kShareTolerance) {
      return false;
    }
    const float u = 0.5f * (left(row.x) + right(row.x)), v = 0.5f * (left(row.y) + right(row.y));
    const float px = static_cast<float>(x), py = static_cast<float>(y);
    const Place<Taps> a(first_, px + before_ * u, py + before_ * v, doubt, kBeyond);
    const Place<Taps> b(second_, px + after_ * u, py + after_ * v, doubt, kBeyond);
    const float share = left(row.share), slope = (right(row.share) - share) / (8 * Count - 1);
    if constexpr (std::is_same_v<S, Sample<kByte>>) {
      const Words16 shares = ramp16(share * 32767.0f, slope * 32767.0f);
      Words16 earlier[Rows], later[Rows];
      sample_block<Taps, Rows>(first_, a, earlier);
      sample_block<Taps, Rows>(second_, b, later);
      for (int j = 0; j < Rows; ++j) {
        store_bytes<Count>(writable_row_of<S>(out_, y + j) + x, later[j] + product(earlier[j] - later[j], shares));
      }
      return true;
    }
    constexpr float kLanes[8] = {0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f};
    Vec8 earlier[Rows][2], later[Rows][2];
    sample_block<S, Taps, Rows>(first_, a, earlier);
    sample_block<S, Taps, Rows>(second_, b, later);
    for (int j = 0; j < Rows; ++j) {
      auto* to = writable_row_of<S>(out_, y + j) + x;
      for (int i = 0; i < Count; ++i) {
        const Vec8 shares = load8(kLanes) * slope + (share + slope * static_cast<float>(8 * i));
        S::store_run(to + 8 * i, later[j][i] + (earlier[j][i] - later[j][i]) * shares, out_.peak);
      }
    }
    return true;
  }

  // Samples that move each on its own.
  void singles(const MotionRow& row, int begin, int end, int y) const {
    auto* to = writable_row_of<S>(out_, y);
    const float py = static_cast<float>(y);
    if (end - begin == 8) return eight(row, begin, y, to + begin);
    for (int x = begin; x < end; ++x) {
      const float px = static_cast<float>(x);
      const Between at = columns_[x];
      const float u = at(row.x), v = at(row.y), doubt = at(row.doubt);
      const float a = sample<S>(first_, Place<Taps>(first_, px + before_ * u, py + before_ * v, doubt));
      const float b = sample<S>(second_, Place<Taps>(second_, px + after_ * u, py + after_ * v, doubt));
      to[x] = S::store(b + (a - b) * at(row.share), out_.peak);
    }
  }

  // Eight of them, whose places are computed at once.
  void eight(const MotionRow& row, int x, int y, typename S::Type* to) const {
    float u[8], v[8], doubt[8], share[8], px[8], values[2][8];
    for (int k = 0; k < 8; ++k) {
      const Between at = columns_[x + k];
      u[k] = at(row.x);
      v[k] = at(row.y);
      doubt[k] = at(row.doubt);
      share[k] = at(row.share);
      px[k] = static_cast<float>(x + k);
    }
    int degree[8];
    const Vec8 degrees = min8(max8(load8(doubt), Vec8{}), all8(1.0f)) * kDoubts + 0.5f;
    for (int k = 0; k < 8; ++k) degree[k] = static_cast<int>(degrees[k]);
    for (int side = 0; side < 2; ++side) {
      const Plane& plane = side == 0 ? first_ : second_;
      const float time = side == 0 ? before_ : after_;
      const Vec8 at_x = min8(max8(load8(px) + load8(u) * time, Vec8{}), all8(static_cast<float>(plane.width - 1)));
      const Vec8 at_y = min8(max8(load8(v) * time + static_cast<float>(y), Vec8{}),
                             all8(static_cast<float>(plane.height - 1)));
      float fixed[2][8];
      store8(fixed[0], at_x * kPhases + 0.5f);
      store8(fixed[1], at_y * kPhases + 0.5f);
      int across[8], down[8];
      for (int k = 0; k < 8; ++k) across[k] = static_cast<int>(fixed[0][k]);
      for (int k = 0; k < 8; ++k) down[k] = static_cast<int>(fixed[1][k]);
      for (int k = 0; k < 8; ++k) values[side][k] = sample<S, Taps>(plane, Place<Taps>(across[k], down[k], degree[k]));
    }
    const Vec8 b = load8(values[1]);
    S::store_run(to, b + (load8(values[0]) - b) * load8(share), out_.peak);
  }

  const Plane &first_, &second_, &out_;
  const float* motion_;
  const int width_, height_;
  const float step_x_, step_y_, before_, after_, tolerance_;
  std::vector<Between> columns_;  // where samples lie on the motion grid; the same in every row
};

template <class S, int Taps>
void render(const Plane& first, const Plane& second, const Plane& out, const float* motion, int width, int height,
            float time, float tolerance) {
  using Drawing = Renderer<S, Taps>;
  const Drawing drawing(first, second, out, motion, width, height, time, tolerance);
  parallel_for((out.height + Drawing::kBand - 1) / Drawing::kBand, 4, [&](int64_t begin, int64_t end) {
    drawing.bands(static_cast<int>(begin), static_cast<int>(end));
  });
}

}  // namespace
}  // namespace vsvfi::flow

// Draws `out` at `time`; the motion, as vsvfi_flow_project
// leaves it, lies on a (width, height) grid over the picture. Samples near
// one another share one motion where it differs by less than `tolerance` samples. `taps` of the kernel: 4 or 8.
VSVFI_API void vsvfi_flow_render(const vsvfi::flow::Plane* first, const vsvfi::flow::Plane* second,
                                 const vsvfi::flow::Plane* out, const float* motion, int32_t width,
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
