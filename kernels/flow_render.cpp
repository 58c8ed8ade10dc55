// A new plane from the planes before and after it: both sampled along the motion, blended by visibility.
#include <vector>

#include "api.h"
#include "flow_samples.h"
#include "parallel.h"

namespace vsvfi::flow {
namespace {

// Cubic convolution (Keys 1981) with a = -0.75.
void cubic_weights(float f, float* w) {
  constexpr float a = -0.75f;
  const float g = 1.0f - f;
  w[0] = a * f * g * g;
  w[1] = ((a + 2.0f) * f - (a + 3.0f)) * f * f + 1.0f;
  w[2] = ((a + 2.0f) * g - (a + 3.0f)) * g * g + 1.0f;
  w[3] = a * g * f * f;
}

template <class S>
float sample_cubic(const Plane& plane, float px, float py) {
  px = std::min(std::max(px, 0.0f), static_cast<float>(plane.width - 1));
  py = std::min(std::max(py, 0.0f), static_cast<float>(plane.height - 1));
  const int x0 = static_cast<int>(px), y0 = static_cast<int>(py);
  float wx[4], wy[4];
  cubic_weights(px - static_cast<float>(x0), wx);
  cubic_weights(py - static_cast<float>(y0), wy);
  int columns[4];
  for (int k = 0; k < 4; ++k) columns[k] = clamp_index(x0 - 1 + k, plane.width);
  float sum = 0.0f;
  for (int j = 0; j < 4; ++j) {
    const auto* row = row_of<S>(plane, clamp_index(y0 - 1 + j, plane.height));
    float across = 0.0f;
    for (int k = 0; k < 4; ++k) across += wx[k] * S::load(row[columns[k]]);
    sum += wy[j] * across;
  }
  return sum;
}

float interpolate(const float* top, const float* bottom, int x0, int x1, float fx, float fy) {
  const float a = top[x0] + (top[x1] - top[x0]) * fx;
  const float b = bottom[x0] + (bottom[x1] - bottom[x0]) * fx;
  return a + (b - a) * fy;
}

template <class S>
void render(const Plane& first, const Plane& second, const Plane& out, const float* motion_x, const float* motion_y,
            const float* share, int width, int height, float time) {
  const float step_x = static_cast<float>(width) / static_cast<float>(out.width);
  const float step_y = static_cast<float>(height) / static_cast<float>(out.height);
  parallel_for(out.height, 16, [&](int64_t begin, int64_t end) {
  for (int y = static_cast<int>(begin); y < end; ++y) {
    const float gy = std::min(std::max((static_cast<float>(y) + 0.5f) * step_y - 0.5f, 0.0f),
                              static_cast<float>(height - 1));
    const int y0 = static_cast<int>(gy), y1 = std::min(y0 + 1, height - 1);
    const float fy = gy - static_cast<float>(y0);
    const ptrdiff_t top = static_cast<ptrdiff_t>(y0) * width, bottom = static_cast<ptrdiff_t>(y1) * width;
    auto* row = writable_row_of<S>(out, y);
    for (int x = 0; x < out.width; ++x) {
      const float gx = std::min(std::max((static_cast<float>(x) + 0.5f) * step_x - 0.5f, 0.0f),
                                static_cast<float>(width - 1));
      const int x0 = static_cast<int>(gx), x1 = std::min(x0 + 1, width - 1);
      const float fx = gx - static_cast<float>(x0);
      const float u = interpolate(motion_x + top, motion_x + bottom, x0, x1, fx, fy) / step_x;
      const float v = interpolate(motion_y + top, motion_y + bottom, x0, x1, fx, fy) / step_y;
      const float s = interpolate(share + top, share + bottom, x0, x1, fx, fy);
      const float px = static_cast<float>(x), py = static_cast<float>(y);
      const float a = sample_cubic<S>(first, px - time * u, py - time * v);
      const float b = sample_cubic<S>(second, px + (1.0f - time) * u, py + (1.0f - time) * v);
      row[x] = S::store(b + (a - b) * s, out.peak);
    }
  }
  });
}

}  // namespace
}  // namespace vsvfi::flow

// Draws `out` at `time`; motion and share lie on a (width, height) grid over the picture, motion in grid steps.
VSVFI_API void vsvfi_flow_render(const vsvfi::flow::Plane* first, const vsvfi::flow::Plane* second,
                                      const vsvfi::flow::Plane* out, const float* motion_x, const float* motion_y,
                                      const float* share, int32_t width, int32_t height, float time) {
  using namespace vsvfi::flow;
  with_kind(out->kind, [&](auto s) {
    render<decltype(s)>(*first, *second, *out, motion_x, motion_y, share, width, height, time);
  });
}
