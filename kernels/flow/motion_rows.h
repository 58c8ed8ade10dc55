// Rows of the motion grid, interpolated to rows of a plane, and how far motion differs within a run of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace vsvfi::flow {

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

inline Between between(float position, int size) {
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

}  // namespace vsvfi::flow
