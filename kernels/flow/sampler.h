// Bilinear sampling of a plane of floats whose outermost samples repeat over its border.
#pragma once

#include <algorithm>
#include <cstddef>

namespace vsvfi::flow {

struct Sampler {
  ptrdiff_t top, bottom;
  int x0, x1;
  float fx, fy;

  Sampler(float x, float y, int width, int height, ptrdiff_t stride) {
    x = std::min(std::max(x, 0.0f), static_cast<float>(width - 1));
    y = std::min(std::max(y, 0.0f), static_cast<float>(height - 1));
    x0 = static_cast<int>(x);
    x1 = std::min(x0 + 1, width - 1);
    const int y0 = static_cast<int>(y);
    fx = x - static_cast<float>(x0);
    fy = y - static_cast<float>(y0);
    top = y0 * stride;
    bottom = std::min(y0 + 1, height - 1) * stride;
  }

  float operator()(const float* plane) const {
    const float a = plane[top + x0] + (plane[top + x1] - plane[top + x0]) * fx;
    const float b = plane[bottom + x0] + (plane[bottom + x1] - plane[bottom + x0]) * fx;
    return a + (b - a) * fy;
  }
};

}  // namespace vsvfi::flow
