// Motion between two frames, carried to an instant between them.
#include <vector>

#include "api.h"
#include "flow_samples.h"
#include "parallel.h"

namespace vsvfi::flow {
namespace {

constexpr float kLeastTrust = 1e-4f;
constexpr int kGrain = 16;  // rows a thread takes at a time

struct Field {
  int width, height;
  std::vector<float> x, y, weight;
  Field(int w, int h)
      : width(w), height(h), x(static_cast<size_t>(w) * h), y(x.size()), weight(x.size()) {}
};

float sample(const float* plane, int width, int height, float px, float py) {
  px = std::min(std::max(px, 0.0f), static_cast<float>(width - 1));
  py = std::min(std::max(py, 0.0f), static_cast<float>(height - 1));
  const int x0 = static_cast<int>(px), y0 = static_cast<int>(py);
  const int x1 = std::min(x0 + 1, width - 1), y1 = std::min(y0 + 1, height - 1);
  const float fx = px - static_cast<float>(x0), fy = py - static_cast<float>(y0);
  const auto at = [&](int x, int y) { return plane[static_cast<ptrdiff_t>(y) * width + x]; };
  const float top = at(x0, y0) + (at(x1, y0) - at(x0, y0)) * fx;
  const float bottom = at(x0, y1) + (at(x1, y1) - at(x0, y1)) * fx;
  return top + (bottom - top) * fy;
}

// Bilinear forward splatting of `scale` * flow, each vector weighted by its trust.
void splat(const float* flow_x, const float* flow_y, const float* trust, float time, float scale, Field& field) {
  const int width = field.width, height = field.height;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const ptrdiff_t i = static_cast<ptrdiff_t>(y) * width + x;
      const float u = flow_x[i], v = flow_y[i];
      const float px = static_cast<float>(x) + u * time, py = static_cast<float>(y) + v * time;
      if (!(px > -1.0f && py > -1.0f && px < static_cast<float>(width) && py < static_cast<float>(height))) continue;
      const int x0 = static_cast<int>(std::floor(px)), y0 = static_cast<int>(std::floor(py));
      const float fx = px - static_cast<float>(x0), fy = py - static_cast<float>(y0);
      for (int dy = 0; dy < 2; ++dy) {
        const int ty = y0 + dy;
        if (ty < 0 || ty >= height) continue;
        for (int dx = 0; dx < 2; ++dx) {
          const int tx = x0 + dx;
          if (tx < 0 || tx >= width) continue;
          const float w = (dx ? fx : 1.0f - fx) * (dy ? fy : 1.0f - fy) * trust[i];
          const ptrdiff_t o = static_cast<ptrdiff_t>(ty) * width + tx;
          field.x[o] += w * scale * u;
          field.y[o] += w * scale * v;
          field.weight[o] += w;
        }
      }
    }
  }
}

// Push-pull (Gortler et al., The Lumigraph, 1996): sums become means, and thin places are filled from coarser ones.
void pull_push(Field& field) {
  const int width = field.width, height = field.height;
  if (width > 1 || height > 1) {
    Field coarse((width + 1) / 2, (height + 1) / 2);
    for (int y = 0; y < coarse.height; ++y) {
      for (int x = 0; x < coarse.width; ++x) {
        float sx = 0, sy = 0, sw = 0;
        for (int dy = 0; dy < 2; ++dy) {
          for (int dx = 0; dx < 2; ++dx) {
            if (2 * y + dy >= height || 2 * x + dx >= width) continue;
            const ptrdiff_t i = static_cast<ptrdiff_t>(2 * y + dy) * width + 2 * x + dx;
            sx += field.x[i];
            sy += field.y[i];
            sw += field.weight[i];
          }
        }
        const ptrdiff_t o = static_cast<ptrdiff_t>(y) * coarse.width + x;
        coarse.x[o] = 0.25f * sx;
        coarse.y[o] = 0.25f * sy;
        coarse.weight[o] = 0.25f * sw;
      }
    }
    pull_push(coarse);
    for (int y = 0; y < height; ++y) {
      const int y0 = y / 2, y1 = clamp_index(y & 1 ? y0 + 1 : y0 - 1, coarse.height);
      for (int x = 0; x < width; ++x) {
        const ptrdiff_t i = static_cast<ptrdiff_t>(y) * width + x;
        const float own = std::min(field.weight[i], 1.0f);
        const float inverse = field.weight[i] > 0.0f ? own / field.weight[i] : 0.0f;
        const int x0 = x / 2, x1 = clamp_index(x & 1 ? x0 + 1 : x0 - 1, coarse.width);
        const auto up = [&](const std::vector<float>& c) {
          const float* near = c.data() + static_cast<ptrdiff_t>(y0) * coarse.width;
          const float* far = c.data() + static_cast<ptrdiff_t>(y1) * coarse.width;
          return 0.75f * (0.75f * near[x0] + 0.25f * near[x1]) + 0.25f * (0.75f * far[x0] + 0.25f * far[x1]);
        };
        field.x[i] = field.x[i] * inverse + up(coarse.x) * (1.0f - own);
        field.y[i] = field.y[i] * inverse + up(coarse.y) * (1.0f - own);
      }
    }
  } else {
    const float inverse = field.weight[0] > 0.0f ? 1.0f / field.weight[0] : 0.0f;
    field.x[0] *= inverse;
    field.y[0] *= inverse;
  }
}

}  // namespace
}  // namespace vsvfi::flow

// How far each vector of a flow can be trusted: near 1 where following it and then the flow back returns to the start.
VSVFI_API void vsvfi_flow_trust(const float* flow_x, const float* flow_y, const float* back_x, const float* back_y,
                                int32_t width, int32_t height, float* out) {
  using namespace vsvfi::flow;
  vsvfi::parallel_for(height, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      for (int x = 0; x < width; ++x) {
        const ptrdiff_t i = y * width + x;
        const float px = static_cast<float>(x) + flow_x[i], py = static_cast<float>(y) + flow_y[i];
        const float ex = flow_x[i] + sample(back_x, width, height, px, py);
        const float ey = flow_y[i] + sample(back_y, width, height, px, py);
        out[i] = std::exp(-std::sqrt(ex * ex + ey * ey)) + kLeastTrust;
      }
    }
  });
}

// The motion field at `time` from both flows, and the share of the first frame in what is seen there.
VSVFI_API void vsvfi_flow_project(const float* forward_x, const float* forward_y, const float* backward_x,
                                  const float* backward_y, const float* forward_trust, const float* backward_trust,
                                  int32_t width, int32_t height, float time, float* out_x, float* out_y,
                                  float* out_share) {
  using namespace vsvfi::flow;
  Field field(width, height), other(width, height);
  splat(forward_x, forward_y, forward_trust, time, 1.0f, field);
  splat(backward_x, backward_y, backward_trust, 1.0f - time, -1.0f, other);
  const ptrdiff_t count = static_cast<ptrdiff_t>(width) * height;
  for (ptrdiff_t i = 0; i < count; ++i) {
    const float first = std::min(std::max(field.weight[i], 0.02f), 1.0f) * (1.0f - time);
    const float second = std::min(std::max(other.weight[i], 0.02f), 1.0f) * time;
    out_share[i] = first / (first + second);
    field.x[i] += other.x[i];
    field.y[i] += other.y[i];
    field.weight[i] += other.weight[i];
  }
  pull_push(field);
  std::copy(field.x.begin(), field.x.end(), out_x);
  std::copy(field.y.begin(), field.y.end(), out_y);
}
