// A pyramid of luma: float samples 0 ... 255, each level half the size of the one before, with replicated margins.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vsvfi::flow {

constexpr int kMargin = 16;     // samples around each level that may be read
// Half +0.03 dB on Middlebury, -0.01 on clips; double -0.01, -0.05 (docs/development/flow.md).
constexpr int kLeastSide = 12;  // no level is smaller than this, except the first

struct Level {
  float* origin;  // the sample at (0, 0)
  ptrdiff_t stride;
  int width, height;
};

inline int64_t level_size(int width, int height) {
  return static_cast<int64_t>(width + 2 * kMargin) * (height + 2 * kMargin);
}

inline int level_count(int width, int height) {
  int count = 1;
  while (width >= 2 * kLeastSide && height >= 2 * kLeastSide) {
    width = (width + 1) / 2;
    height = (height + 1) / 2;
    ++count;
  }
  return count;
}

// The given level of a pyramid that starts at `data`.
inline Level level_of(float* data, int width, int height, int level) {
  for (; level > 0; --level) {
    data += level_size(width, height);
    width = (width + 1) / 2;
    height = (height + 1) / 2;
  }
  const ptrdiff_t stride = width + 2 * kMargin;
  return {data + kMargin * stride + kMargin, stride, width, height};
}

}  // namespace vsvfi::flow
