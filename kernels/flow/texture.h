// Texture: a blend of two frames has less of it than either, as what they do not share is averaged, grain most of all.
// Here the high band of a blend is raised to the local energy of the frames that it is made of, so that texture does
// not pulse between source frames and new ones (variance-preserving blending, Heitz and Neyret, HPG 2018). Step 4 of
// docs/flow.md.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "common/parallel.h"
#include "flow/bytes.h"
#include "flow/samples.h"
#include "flow/simd.h"

namespace vsvfi::flow {

constexpr int kTile = 4;              // samples to a side of the tiles that energy is averaged over, 3x3 of them
// 1.25 +0.01 dB on Middlebury, 0.00 on clips; 3 0.00, 0.00 (docs/development/flow.md).
constexpr float kMaxGain = 1.5f;      // of the high band; two frames that share nothing need the square root of 2
// Half or double: no difference above 0.005 dB; sharpness +1, -1 per mille (docs/development/flow.md).
constexpr float kEnergyFloor = 0.25f;  // squared 8-bit steps: rounding, which is not to be amplified
// Half +0.02 dB on Middlebury, +0.01 on clips; double -0.02, -0.01 (docs/development/flow.md).
constexpr float kAgree = 2.0f;        // 8-bit steps: from this spread of the low bands on, up to twice as much, gain
                                      // fades away, as two things that differ are not one texture

// A blend of two frames with shares s and 1 - s, finer than its samples, and its spread: the frames' difference times
// 2 s (1 - s). Bytes are in steps of 1 / kSampleOne.
template <class S>
struct Fine {
  using Type = std::conditional_t<std::is_same_v<S, Sample<kUint8>>, int16_t, float>;
  Type *blend = nullptr, *spread = nullptr;

  Fine(void* space, ptrdiff_t count) {
    if (space == nullptr) return;
    blend = static_cast<Type*>(space);
    spread = blend + count;
  }
};

template <class S>
typename Fine<S>::Type fine_of(float value) {
  if constexpr (std::is_same_v<typename Fine<S>::Type, float>) return value;
  return static_cast<typename Fine<S>::Type>(value * kSampleOne);
}

template <class S>
class Texture {
 public:
  // `out` receives the blend with its texture restored.
  Texture(const Fine<S>& fine, const Plane& out)
      : fine_(fine), out_(out), across_((out.width + kTile - 1) / kTile), down_((out.height + kTile - 1) / kTile),
        gain_(static_cast<size_t>(across_) * down_) {}

  void restore() {
    const size_t tiles = gain_.size();
    std::vector<float> energy(tiles), lost(tiles), apart(tiles);
    parallel_for(down_, 4, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const ptrdiff_t at = row * across_;
        measure(static_cast<int>(row), energy.data() + at, lost.data() + at, apart.data() + at);
      }
    });
    parallel_for(down_, 4, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) gains(static_cast<int>(row), energy, lost, apart);
    });
    parallel_for(down_, 4, [&](int64_t begin, int64_t end) {
      Rows rows(out_.width);
      std::vector<float> gain(static_cast<size_t>(across_) * kTile);
      const int last = std::min(static_cast<int>(end) * kTile, out_.height);
      const int first = static_cast<int>(begin) * kTile;
      load(fine_.blend, first - 1, rows.rows[1].data());
      load(fine_.blend, first, rows.rows[2].data());
      for (int y = first; y < last; ++y) apply(rows, gain, y);
    });
  }

 private:
  using Row = std::vector<float>;

  // Three rows of a plane and the high band of the one in the middle: what a binomial filter of 3x3 takes away.
  struct Rows {
    Row rows[3], low, high;
    explicit Rows(int width) : rows{Row(width), Row(width), Row(width)}, low(width + 2), high(width) {}

    void filter(int width) {
      const float *a = rows[0].data(), *b = rows[1].data(), *c = rows[2].data();
      float *blurred = low.data() + 1, *out = high.data();
      for (int x = 0; x < width; ++x) blurred[x] = (a[x] + b[x]) + (b[x] + c[x]);
      blurred[-1] = blurred[0];
      blurred[width] = blurred[width - 1];
      for (int x = 0; x < width; ++x) {
        out[x] = b[x] - ((blurred[x - 1] + blurred[x]) + (blurred[x] + blurred[x + 1])) * 0.0625f;
      }
    }
  };

  float step() const { return out_.peak / 255.0f; }

  // A row of the blend or of its spread; the outermost rows repeat.
  void load(const typename Fine<S>::Type* plane, int y, float* to) const {
    constexpr float scale = std::is_same_v<S, Sample<kUint8>> ? 1.0f / kSampleOne : 1.0f;
    const auto* from = plane + static_cast<ptrdiff_t>(clamp_index(y, out_.height)) * out_.width;
    for (int x = 0; x < out_.width; ++x) to[x] = static_cast<float>(from[x]) * scale;
  }

  // Means over a row of tiles, of one row of samples in each, which is enough: the energy of the blend's high band,
  // what the blend lost of it, and how far apart the frames are.
  void measure(int tile_row, float* energy, float* lost, float* apart) const {
    const int width = out_.width;
    Rows blend(width), spread(width);
    Row sums[3] = {Row(width), Row(width), Row(width)};
    const int y = std::min(tile_row * kTile + kTile / 2, out_.height - 1);
    for (int k = 0; k < 3; ++k) load(fine_.blend, y + k - 1, blend.rows[k].data());
    for (int k = 0; k < 3; ++k) load(fine_.spread, y + k - 1, spread.rows[k].data());
    blend.filter(width);
    spread.filter(width);
    const float *high = blend.high.data(), *other = spread.high.data(), *whole = spread.rows[1].data();
    for (int x = 0; x < width; ++x) {
      sums[0][x] = high[x] * high[x];
      sums[1][x] = other[x] * other[x];
      sums[2][x] = whole[x];
    }
    float* const out[3] = {energy, lost, apart};
    for (int k = 0; k < 3; ++k) {
      for (int tile = 0; tile < across_; ++tile) {
        const int from = tile * kTile, to = std::min(from + kTile, width);
        float sum = 0.0f;
        for (int x = from; x < to; ++x) sum += sums[k][x];
        out[k][tile] = sum / static_cast<float>(to - from);
      }
    }
  }

  // The mean of 3x3 tiles, those in the middle counting more.
  float around(const Row& values, int column, int row) const {
    const int left = std::max(column - 1, 0), right = std::min(column + 1, across_ - 1);
    const auto line = [&](int y) {
      const float* at = values.data() + static_cast<ptrdiff_t>(clamp_index(y, down_)) * across_;
      return (at[left] + at[column]) + (at[column] + at[right]);
    };
    return ((line(row - 1) + line(row)) + (line(row) + line(row + 1))) * 0.0625f;
  }

  void gains(int row, const Row& energy, const Row& lost, const Row& apart) {
    const float floor = kEnergyFloor * step() * step(), agree = kAgree * step();
    for (int column = 0; column < across_; ++column) {
      const float ratio = around(lost, column, row) / (around(energy, column, row) + floor);
      const float fade = 2.0f - std::abs(around(apart, column, row)) / agree;
      const float gain = std::min(std::sqrt(1.0f + ratio), kMaxGain) - 1.0f;
      gain_[static_cast<size_t>(row) * across_ + column] = gain * std::min(std::max(fade, 0.0f), 1.0f);
    }
  }

  // The gain of each sample of a row, between those of the tiles.
  void gain_row(int y, Row& out) const {
    const float at = std::max((static_cast<float>(y) + 0.5f) / kTile - 0.5f, 0.0f);
    const int top = static_cast<int>(at), bottom = std::min(top + 1, down_ - 1);
    const float f = at - static_cast<float>(top);
    const float* a = gain_.data() + static_cast<ptrdiff_t>(top) * across_;
    const float* b = gain_.data() + static_cast<ptrdiff_t>(bottom) * across_;
    const auto mixed = [&](int tile) { return a[tile] + (b[tile] - a[tile]) * f; };
    float before = mixed(0), here = before;
    for (int tile = 0; tile < across_; ++tile) {
      const float after = mixed(std::min(tile + 1, across_ - 1));
      float* to = out.data() + static_cast<ptrdiff_t>(tile) * kTile;
      to[0] = here + (before - here) * 0.375f;
      to[1] = here + (before - here) * 0.125f;
      to[2] = here + (after - here) * 0.125f;
      to[3] = here + (after - here) * 0.375f;
      before = here;
      here = after;
    }
  }

  // Row y of `out`; `rows` holds the row before it and itself where the next two are looked for.
  void apply(Rows& rows, Row& gain, int y) const {
    rows.rows[0].swap(rows.rows[1]);
    rows.rows[1].swap(rows.rows[2]);
    load(fine_.blend, y + 1, rows.rows[2].data());
    rows.filter(out_.width);
    gain_row(y, gain);
    auto* to = writable_row_of<S>(out_, y);
    const float *own = rows.rows[1].data(), *high = rows.high.data();
    int x = 0;
    for (; x + 8 <= out_.width; x += 8) {
      S::store_run(to + x, load8(own + x) + load8(high + x) * load8(gain.data() + x), out_.peak);
    }
    for (; x < out_.width; ++x) to[x] = S::store(own[x] + high[x] * gain[x], out_.peak);
  }

  const Fine<S> fine_;
  const Plane& out_;
  const int across_, down_;
  Row gain_;  // of each tile, less 1
};

}  // namespace vsvfi::flow
