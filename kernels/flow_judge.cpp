// Flow of both directions, judged: outliers removed, and how far each vector can be trusted.
#include <algorithm>
#include <cmath>
#include <vector>

#include "api.h"
#include "flow_field.h"
#include "flow_pyramid.h"
#include "flow_simd.h"
#include "parallel.h"

namespace vsvfi::flow {
namespace {

constexpr int kGrain = 16;            // rows a thread takes at a time
constexpr int kBlock = 8;             // samples to a side of the blocks that residuals are averaged over
constexpr float kLeastTrust = 0.02f;   // what only one frame sees has no way back, and yet is there
constexpr float kDecay = 0.35f;       // of trust with the squared distance by which the way there and back misses its start
constexpr float kNoise = 2.0f;        // residual that is noise, in 8-bit steps
constexpr float kDoubtFrom = 0.4f;    // residual in units of the gradient, so roughly in samples, where doubt begins ...
constexpr float kDoubtRange = 0.4f;   // ... and how much more makes it certain

inline float low(float a, float b) { return std::min(a, b); }
inline float high(float a, float b) { return std::max(a, b); }
inline Vec8 low(Vec8 a, Vec8 b) { return min8(a, b); }
inline Vec8 high(Vec8 a, Vec8 b) { return max8(a, b); }

template <class T>
void sort2(T& a, T& b) {
  const T least = low(a, b);
  b = high(a, b);
  a = least;
}

// The median of nine, by the least number of exchanges (Paeth, Graphics Gems, 1990).
template <class T>
T median9(T p0, T p1, T p2, T p3, T p4, T p5, T p6, T p7, T p8) {
  sort2(p1, p2), sort2(p4, p5), sort2(p7, p8);
  sort2(p0, p1), sort2(p3, p4), sort2(p6, p7);
  sort2(p1, p2), sort2(p4, p5), sort2(p7, p8);
  p3 = high(p0, p3), p5 = low(p5, p8), sort2(p4, p7);
  p6 = high(p3, p6), p4 = high(p1, p4), p2 = low(p2, p5);
  p4 = low(p4, p7), sort2(p4, p2);
  p4 = high(p6, p4);
  return low(p4, p2);
}

void median(const float* in, int width, int height, float* out) {
  parallel_for(height, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const float* b = in + y * width;
      const float* a = y > 0 ? b - width : b;
      const float* c = y + 1 < height ? b + width : b;
      float* to = out + y * width;
      int x = 1;
      for (; x + 9 <= width; x += 8) {
        store8(to + x, median9(load8(a + x - 1), load8(a + x), load8(a + x + 1), load8(b + x - 1), load8(b + x),
                               load8(b + x + 1), load8(c + x - 1), load8(c + x), load8(c + x + 1)));
      }
      for (; x + 1 < width; ++x) {
        to[x] = median9(a[x - 1], a[x], a[x + 1], b[x - 1], b[x], b[x + 1], c[x - 1], c[x], c[x + 1]);
      }
      to[0] = b[0];
      to[width - 1] = b[width - 1];
    }
  });
}

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

// Flow of one direction after the median filter.
struct Flow {
  int width, height;
  std::vector<float> x, y;

  Flow(const float* in_x, const float* in_y, int w, int h)
      : width(w), height(h), x(static_cast<size_t>(w) * h), y(x.size()) {
    median(in_x, w, h, x.data());
    median(in_y, w, h, y.data());
  }
};

// Residual over blocks of kBlock x kBlock samples, in units of the gradient: 0 no doubt, 1 great doubt.
std::vector<float> doubt_of(const Flow& flow, const Level& source, const Level& target, int thin, int across, int down) {
  std::vector<float> doubt(static_cast<size_t>(across) * down);
  const int cells = std::max(1, kBlock / thin);
  // On a fine grid a part of the cells tells as much as all of them.
  const int step = std::max(1, 4 / thin);
  parallel_for(down, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int column = 0; column < across; ++column) {
        float residual = 0.0f, gradient = 0.0f;
        int count = 0;
        for (int j = static_cast<int>(row) * cells; j < std::min((static_cast<int>(row) + 1) * cells, flow.height); ++j) {
          for (int i = column * cells + (j & 1) * step / 2; i < std::min((column + 1) * cells, flow.width); i += step) {
            const ptrdiff_t cell = static_cast<ptrdiff_t>(j) * flow.width + i;
            const int x = std::min(i * thin + thin / 2, source.width - 1);
            const int y = std::min(j * thin + thin / 2, source.height - 1);
            const Sampler at(static_cast<float>(x) + flow.x[cell], static_cast<float>(y) + flow.y[cell], source.width,
                             source.height, target.stride);
            const float* here = source.origin + y * source.stride + x;
            const float gx = here[1] - here[-1], gy = here[source.stride] - here[-source.stride];
            residual += std::abs(at(target.origin) - *here);
            gradient += 0.5f * std::sqrt(gx * gx + gy * gy);
            ++count;
          }
        }
        const float amount = count > 0 ? residual / (gradient + kNoise * static_cast<float>(count)) : 0.0f;
        doubt[row * across + column] = std::min(std::max((amount - kDoubtFrom) / kDoubtRange, 0.0f), 1.0f);
      }
    }
  });
  return doubt;
}

void judge(const Flow& flow, const Flow& back, const Level& source, const Level& target, int thin, Vector* out) {
  const int width = flow.width, height = flow.height, cells = std::max(1, kBlock / thin);
  const int across = (width + cells - 1) / cells, down = (height + cells - 1) / cells;
  const std::vector<float> doubt = doubt_of(flow, source, target, thin, across, down);
  const float scale = 1.0f / static_cast<float>(thin), block_scale = 1.0f / static_cast<float>(cells);
  // Where a column lies between two columns of blocks; the same in every row.
  std::vector<Sampler> columns;
  for (int x = 0; x < width; ++x) {
    columns.emplace_back((static_cast<float>(x) + 0.5f) * block_scale - 0.5f, 0.0f, across, 1, across);
  }
  parallel_for(height, kGrain, [&](int64_t begin, int64_t end) {
    std::vector<float> doubts(across), errors(width);
    for (int64_t y = begin; y < end; ++y) {
      const Sampler down_at(0.0f, (static_cast<float>(y) + 0.5f) * block_scale - 0.5f, 1, down, across);
      for (int i = 0; i < across; ++i) doubts[i] = down_at(doubt.data() + i);
      const float *u = flow.x.data() + y * width, *v = flow.y.data() + y * width;
      for (int x = 0; x < width; ++x) {
        const Sampler there(static_cast<float>(x) + u[x] * scale, static_cast<float>(y) + v[x] * scale, width, height,
                            width);
        const float ex = u[x] + there(back.x.data()), ey = v[x] + there(back.y.data());
        errors[x] = ex * ex + ey * ey;
      }
      for (int x = 0; x < width; ++x) errors[x] = 1.0f / (1.0f + kDecay * errors[x]) + kLeastTrust;
      for (int x = 0; x < width; ++x) {
        out[y * width + x] = {u[x] * scale, v[x] * scale, columns[x](doubts.data()), errors[x]};
      }
    }
  });
}

}  // namespace
}  // namespace vsvfi::flow

// Turns the flows that vsvfi_flow_search found between two frames, on cells of thin x thin samples, into vectors.
VSVFI_API void vsvfi_flow_judge(const float* forward_x, const float* forward_y, const float* backward_x,
                                const float* backward_y, const float* first, const float* second, int32_t width,
                                int32_t height, int32_t thin, vsvfi::flow::Vector* forward,
                                vsvfi::flow::Vector* backward) {
  using namespace vsvfi::flow;
  const int across = (width + thin - 1) / thin, down = (height + thin - 1) / thin;
  const Flow ahead(forward_x, forward_y, across, down), back(backward_x, backward_y, across, down);
  const Level from = level_of(const_cast<float*>(first), width, height, 0);
  const Level to = level_of(const_cast<float*>(second), width, height, 0);
  judge(ahead, back, from, to, thin, forward);
  judge(back, ahead, to, from, thin, backward);
}
