// Rendering: a new plane from the planes before and after it, both sampled along the motion and blended by what each
// one shows. Step 4 of docs/flow.md.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "common/api.h"
#include "common/parallel.h"
#include "flow/bytes.h"
#include "flow/interpolation.h"
#include "flow/motion_rows.h"
#include "flow/samples.h"
#include "flow/simd.h"
#include "flow/texture.h"

namespace vsvfi::flow {
namespace {

constexpr int kBeyond = 32;  // samples over the border from where a block shows the border alone
// Half 0.00, double -0.01 dB with captions (docs/development/flow.md).
constexpr float kShareTolerance = 0.35f;  // by which the shares of a block may differ
// Half 0.00 dB on Middlebury, 0.00 on clips; double -0.02, +0.01 (docs/development/flow.md).
constexpr float kDoubtSlack = 8.0f;       // how much more, times the tolerance, motion may differ under full doubt

template <class S, int Taps>
class Renderer {
 public:
  Renderer(const Plane& first, const Plane& second, const Plane& out, const Fine<S>& fine, const float* motion,
           int width, int height, float time, float tolerance)
      : first_(first), second_(second), out_(out), fine_(fine), motion_(motion), width_(width), height_(height),
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
      for (int part = 0; part * kRows < rows; ++part) {
        fill(scratch.parts[part], y + part * kRows, std::min(kRows, rows - part * kRows));
      }
      if (rows == kBand) join(scratch.whole, scratch.parts, y);
      for (int x = 0; x < out_.width; x += 16) {
        const bool full = rows == kBand && x + 16 <= out_.width;
        if (!full || !block<2, kBand>(scratch.whole, x, y)) smaller_blocks(scratch, x, y, rows);
      }
    }
  }

  static constexpr int kBand = 8;          // rows of the largest blocks, 16x8
  static constexpr int kRows = kBand / 2;  // and of the smaller ones, 16x4 and 8x4

 private:
  // The motion of the rows that a block spans.
  struct Part {
    Extremes x, y, share;
    MotionRow middle;
    explicit Part(int width) : x(width), y(width), share(width), middle(width) {}
  };

  struct Scratch {
    Part whole;
    std::vector<Part> parts;
    MotionRow row;
    explicit Scratch(int width) : whole(width), parts(kBand / kRows, Part(width)), row(width) {}
  };

  // 16 columns of a band whose samples do not share one motion: in smaller blocks, or sample by sample.
  void smaller_blocks(Scratch& scratch, int x, int y, int rows) const {
    for (int top = 0; top < rows; top += kRows) {
      const Part& part = scratch.parts[top / kRows];
      const int some = std::min(kRows, rows - top);
      if (some == kRows && x + 16 <= out_.width && block<2, kRows>(part, x, y + top)) continue;
      for (int left = x; left < std::min(x + 16, out_.width); left += 8) {
        const int right = std::min(left + 8, out_.width);
        if (some == kRows && right - left == 8 && block<1, kRows>(part, left, y + top)) continue;
        for (int j = y + top; j < y + top + some; ++j) {
          fill(scratch.row, static_cast<float>(j), columns_[left].i, columns_[right - 1].j + 1);
          singles(scratch.row, left, right, j);
        }
      }
    }
  }

  void fill(Part& part, int y, int rows) const {
    const Between top = down(static_cast<float>(y)), bottom = down(static_cast<float>(y + rows - 1));
    part.x.fill(motion_, width_, top.i, bottom.j);
    part.y.fill(motion_ + plane(), width_, top.i, bottom.j);
    part.share.fill(motion_ + 3 * plane(), width_, top.i, bottom.j);
    fill(part.middle, static_cast<float>(y) + 0.5f * static_cast<float>(rows - 1), 0, width_);
  }

  void join(Part& whole, const std::vector<Part>& parts, int y) const {
    whole.x.join(parts[0].x, parts[1].x);
    whole.y.join(parts[0].y, parts[1].y);
    whole.share.join(parts[0].share, parts[1].share);
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

  // Draws a block at once; false where its samples do not share one motion.
  template <int Count, int Rows>
  bool block(const Part& part, int x, int y) const {
    const MotionRow& row = part.middle;
    const Between &left = columns_[x], &right = columns_[x + 8 * Count - 1];
    const float doubt = 0.5f * (left(row.doubt) + right(row.doubt));
    const float tolerance = tolerance_ * (1.0f + kDoubtSlack * doubt);
    if (part.x.range(left.i, right.j) > tolerance * step_x_ || part.y.range(left.i, right.j) > tolerance * step_y_ ||
        part.share.range(left.i, right.j) > kShareTolerance) {
      return false;
    }
    const float u = 0.5f * (left(row.x) + right(row.x)), v = 0.5f * (left(row.y) + right(row.y));
    const float px = static_cast<float>(x), py = static_cast<float>(y);
    const Place<Taps> a(first_, px + before_ * u, py + before_ * v, doubt, kBeyond);
    const Place<Taps> b(second_, px + after_ * u, py + after_ * v, doubt, kBeyond);
    const float share = left(row.share), slope = (right(row.share) - share) / (8 * Count - 1);
    if constexpr (std::is_same_v<S, Sample<kUint8>>) {
      const Words16 shares = ramp16(share * 32767.0f, slope * 32767.0f);
      Words16 earlier[Rows], later[Rows];
      sample_block<Taps, Rows>(first_, a, earlier);
      sample_block<Taps, Rows>(second_, b, later);
      for (int j = 0; j < Rows; ++j) {
        const Words16 difference = earlier[j] - later[j];
        const Words16 blend = later[j] + product(difference, shares);
        if (fine_.blend == nullptr) {
          store_bytes<Count>(writable_row_of<S>(out_, y + j) + x, blend);
        } else {
          store_words<Count>(fine_.blend + at(x, y + j), blend);
          store_words<Count>(fine_.spread + at(x, y + j), product(difference, doubled(shares)));
        }
      }
      return true;
    }
    constexpr float kLanes[8] = {0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f};
    Vec8 earlier[Rows][2], later[Rows][2];
    sample_block<S, Taps, Rows>(first_, a, earlier);
    sample_block<S, Taps, Rows>(second_, b, later);
    for (int j = 0; j < Rows; ++j) {
      for (int i = 0; i < Count; ++i) {
        const Vec8 shares = load8(kLanes) * slope + (share + slope * static_cast<float>(8 * i));
        store_run(x + 8 * i, y + j, earlier[j][i], later[j][i], shares);
      }
    }
    return true;
  }

  // Samples that each have their own motion.
  void singles(const MotionRow& row, int begin, int end, int y) const {
    const float py = static_cast<float>(y);
    if (end - begin == 8) return eight(row, begin, y);
    for (int x = begin; x < end; ++x) {
      const float px = static_cast<float>(x);
      const Between at = columns_[x];
      const float u = at(row.x), v = at(row.y), doubt = at(row.doubt);
      const float a = sample<S>(first_, Place<Taps>(first_, px + before_ * u, py + before_ * v, doubt));
      const float b = sample<S>(second_, Place<Taps>(second_, px + after_ * u, py + after_ * v, doubt));
      const float share = at(row.share), blend = b + (a - b) * share;
      if (fine_.blend == nullptr) {
        writable_row_of<S>(out_, y)[x] = S::store(blend, out_.peak);
      } else {
        fine_.blend[this->at(x, y)] = fine_of<S>(blend);
        fine_.spread[this->at(x, y)] = fine_of<S>((a - b) * 2.0f * share * (1.0f - share));
      }
    }
  }

  // Eight of them, whose places are computed at once.
  void eight(const MotionRow& row, int x, int y) const {
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
    store_run(x, y, load8(values[0]), load8(values[1]), load8(share));
  }

  ptrdiff_t at(int x, int y) const { return static_cast<ptrdiff_t>(y) * out_.width + x; }

  // Eight samples of a row, blended.
  void store_run(int x, int y, Vec8 earlier, Vec8 later, Vec8 shares) const {
    const Vec8 difference = earlier - later, blend = later + difference * shares;
    if (fine_.blend == nullptr) return S::store_run(writable_row_of<S>(out_, y) + x, blend, out_.peak);
    const Vec8 spread = difference * 2.0f * shares * (1.0f - shares);
    for (int k = 0; k < 8; ++k) fine_.blend[at(x, y) + k] = fine_of<S>(blend[k]);
    for (int k = 0; k < 8; ++k) fine_.spread[at(x, y) + k] = fine_of<S>(spread[k]);
  }

  const Plane &first_, &second_, &out_;
  const Fine<S> fine_;  // where texture is to be restored
  const float* motion_;
  const int width_, height_;
  const float step_x_, step_y_, before_, after_, tolerance_;
  std::vector<Between> columns_;  // where samples lie on the motion grid; the same in every row
};

template <class S, int Taps>
void render(const Plane& first, const Plane& second, const Plane& out, void* space, const float* motion, int width,
            int height, float time, float tolerance) {
  using Drawing = Renderer<S, Taps>;
  const Fine<S> fine(space, static_cast<ptrdiff_t>(out.width) * out.height);
  const Drawing drawing(first, second, out, fine, motion, width, height, time, tolerance);
  parallel_for((out.height + Drawing::kBand - 1) / Drawing::kBand, 4, [&](int64_t begin, int64_t end) {
    drawing.bands(static_cast<int>(begin), static_cast<int>(end));
  });
  if (space != nullptr) Texture<S>(fine, out).restore();
}

}  // namespace
}  // namespace vsvfi::flow

// Draws `out` at `time`; the motion, as vsvfi_flow_project leaves it, lies on a (width, height) grid over the picture.
// Samples near one another share one motion where it differs by less than `tolerance` samples. `taps` of the kernel: 4
// or 8. Texture is restored where there is `space` to work in: 8 bytes for each sample of `out`.
VSVFI_API void vsvfi_flow_render(const vsvfi::flow::Plane* first, const vsvfi::flow::Plane* second,
                                 const vsvfi::flow::Plane* out, void* space, const float* motion, int32_t width,
                                 int32_t height, float time, float tolerance, int32_t taps) {
  using namespace vsvfi::flow;
  with_kind(out->kind, [&](auto s) {
    using S = decltype(s);
    const auto draw = taps == 8 ? render<S, 8> : render<S, 4>;
    draw(*first, *second, *out, space, motion, width, height, time, tolerance);
  });
}
