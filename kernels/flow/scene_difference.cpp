// The difference of two thumbnails apart from motion and brightness: it distinguishes a cut from a fast pan or a flash.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "common/api.h"
#include "flow/simd.h"

namespace vsvfi::flow {
namespace {

constexpr int kBlock = 8;
constexpr float kSamples = kBlock * kBlock;
constexpr int kReachX = 12;          // of motion, in samples of the thumbnail
constexpr int kReachY = 8;           // the same, up and down
constexpr float kFloor = 3.0f * 3.0f;      // variance that noise and compression explain
constexpr float kForgiven = 0.985f;        // share of the squared difference in brightness that is set aside
constexpr float kStill = 0.2f;             // a block this similar without motion needs no search
constexpr float kWorst = 1.2f;             // a block cannot be less similar than this, in units of its own contrast

struct Sums {
  float difference, contrast;
};

// Where block k of `count` starts, evenly spread over `size` samples.
int start_of(int k, int count, int size) {
  return count > 1 ? static_cast<int>(static_cast<int64_t>(k) * (size - kBlock) / (count - 1)) : 0;
}

// For each block of one thumbnail, what is left of it after its best match in the other.
Sums unmatched(const float* from, const float* to, int width, int height) {
  const std::ptrdiff_t stride = width;
  Sums out = {0.0f, 0.0f};
  const int columns = (width - 1) / kBlock + 1, rows = (height - 1) / kBlock + 1;
  for (int row = 0; row < rows; ++row) {
    const int y = start_of(row, rows, height);
    for (int column = 0; column < columns; ++column) {
      const int x = start_of(column, columns, width);
      Vec8 block[kBlock], sum = {}, squares = {};
      for (int r = 0; r < kBlock; ++r) {
        block[r] = load8(from + (y + r) * stride + x);
        sum += block[r];
        squares += block[r] * block[r];
      }
      const float total = sum8(sum);
      const float contrast = std::max(sum8(squares) - total * total / kSamples, 0.0f) + kFloor * kSamples;
      float best = contrast * kWorst * kWorst;
      const auto compare = [&](int u, int v) {
        const float* there = to + (y + v) * stride + x + u;
        Vec8 sums = {}, squared = {};
        for (int r = 0; r < kBlock; ++r) {
          const Vec8 d = load8(there + r * stride) - block[r];
          sums += d;
          squared += d * d;
        }
        const float shift = sum8(sums);
        best = std::min(best, sum8(squared) - kForgiven * shift * shift / kSamples);
      };
      compare(0, 0);
      if (best > kStill * kStill * contrast) {
        for (int v = std::max(-kReachY, -y); v <= std::min(kReachY, height - kBlock - y); ++v) {
          for (int u = std::max(-kReachX, -x); u <= std::min(kReachX, width - kBlock - x); ++u) compare(u, v);
        }
      }
      out.difference += std::sqrt(std::max(best, 0.0f));
      out.contrast += std::sqrt(contrast);
    }
  }
  return out;
}

}  // namespace
}  // namespace vsvfi::flow

// 0 for thumbnails that show the same, about 1 for thumbnails that have nothing in common. At least 8 x 8 samples.
VSVFI_API float vsvfi_scene_difference(const uint8_t* first, const uint8_t* second, int32_t width, int32_t height) {
  using namespace vsvfi::flow;
  const std::vector<float> a(first, first + static_cast<std::ptrdiff_t>(width) * height);
  const std::vector<float> b(second, second + static_cast<std::ptrdiff_t>(width) * height);
  const Sums there = unmatched(a.data(), b.data(), width, height), back = unmatched(b.data(), a.data(), width, height);
  return (there.difference + back.difference) / (there.contrast + back.contrast);
}
