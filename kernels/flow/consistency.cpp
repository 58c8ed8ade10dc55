// Forward-backward consistency: how far each vector of a flow can be trusted. Step 2 of docs/flow.md.
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/api.h"
#include "common/parallel.h"
#include "flow/field.h"
#include "flow/median.h"
#include "flow/occlusion.h"
#include "flow/pyramid.h"
#include "flow/sampler.h"

namespace vsvfi::flow {
namespace {

constexpr int kGrain = 16;             // rows a thread takes at a time
// Half -0.02 dB on Middlebury, -0.01 on clips; double 0.00, 0.00; sharpness -0.8, +0.3 % (docs/development/flow.md).
constexpr int kBlock = 8;              // samples to a side of the blocks that residuals are averaged over
// Half -0.04 dB on Middlebury, +0.01 on clips; double 0.00, -0.01 (docs/development/flow.md).
constexpr float kMinTrust = 0.02f;     // what only one frame sees has no way back, and yet is there
// Half +0.05 dB on Middlebury, -0.03 on clips; double -0.17, -0.08 (docs/development/flow.md).
constexpr float kReturnDecay = 0.35f;  // of trust with the squared distance, in samples, of the forward-backward error
// Half or double: no difference above 0.005 dB (docs/development/flow.md).
constexpr float kMinRelated = 0.12f;   // share of trusted vectors below which two pictures have nothing in common
// Half -0.046; double +0.000 dB in the worst place (docs/development/flow.md).
constexpr float kStillFrom = 40.0f;    // luma steps along a vector from which on a cell may be still instead ...
// Half 0.00 dB on Middlebury, -0.01 on clips; double 0.00, +0.01 (docs/development/flow.md).
constexpr float kStillRatio = 6.0f;    // ... where that is so many times the difference without motion
// Half or double: no difference above 0.005 dB (docs/development/flow.md).
constexpr float kDoubtful = 0.5f;      // doubt below which no cell is taken to be still
// Half or double: no difference above 0.005 dB (docs/development/flow.md).
constexpr float kStillTrust = 1.0f;    // trust in what is still while all around it moves
// Half +0.01 dB on Middlebury, 0.00 on clips; double -0.01, -0.01; sharpness -0.8, +0.8 % (docs/development/flow.md).
constexpr float kNoise = 2.0f;         // luma steps of a residual that are noise
// Half -0.03 dB on Middlebury, +0.02 on clips; double -0.02, -0.02; sharpness -2.3, +1.5 % (docs/development/flow.md).
constexpr float kDoubtFrom = 0.4f;     // residual over gradient, so roughly samples, where doubt begins ...
// Half 0.00 dB on Middlebury, +0.01 on clips; double -0.01, -0.01; sharpness -0.7, +0.7 % (docs/development/flow.md).
constexpr float kDoubtRange = 0.4f;    // ... and how much more makes it certain

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
std::vector<float> doubt_of(const Flow& flow, const Level& source, const Level& target, int cell, int across,
                            int down) {
  std::vector<float> doubt(static_cast<size_t>(across) * down);
  const int cells = std::max(1, kBlock / cell);
  // On a fine grid a part of the cells is enough.
  const int step = std::max(1, 4 / cell);
  parallel_for(down, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int column = 0; column < across; ++column) {
        float residual = 0.0f, gradient = 0.0f;
        int count = 0;
        const int top = static_cast<int>(row) * cells, bottom = std::min(top + cells, flow.height);
        for (int j = top; j < bottom; ++j) {
          for (int i = column * cells + (j & 1) * step / 2; i < std::min((column + 1) * cells, flow.width); i += step) {
            const ptrdiff_t at_cell = static_cast<ptrdiff_t>(j) * flow.width + i;
            const int x = std::min(i * cell + cell / 2, source.width - 1);
            const int y = std::min(j * cell + cell / 2, source.height - 1);
            const Sampler at(static_cast<float>(x) + flow.x[at_cell], static_cast<float>(y) + flow.y[at_cell],
                             source.width, source.height, target.stride);
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

void check_consistency(const Flow& flow, const Flow& back, const Level& source, const Level& target, int cell,
                       Vector* out) {
  const int width = flow.width, height = flow.height, cells = std::max(1, kBlock / cell);
  const int across = (width + cells - 1) / cells, down = (height + cells - 1) / cells;
  const std::vector<float> doubt = doubt_of(flow, source, target, cell, across, down);
  const float scale = 1.0f / static_cast<float>(cell), block_scale = 1.0f / static_cast<float>(cells);
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
      for (int x = 0; x < width; ++x) errors[x] = 1.0f / (1.0f + kReturnDecay * errors[x]) + kMinTrust;
      for (int x = 0; x < width; ++x) {
        out[y * width + x] = {u[x] * scale, v[x] * scale, columns[x](doubts.data()), errors[x]};
      }
    }
  });
}

bool related(const Vector* forward, const Vector* backward, ptrdiff_t count) {
  const auto trusted = [count](const Vector* vectors) {
    return std::count_if(vectors, vectors + count, [](const Vector& v) { return v.weight >= kTrusted; });
  };
  return static_cast<float>(trusted(forward) + trusted(backward)) >= kMinRelated * 2.0f * static_cast<float>(count);
}

// Captions and logos are still over a moving background, and too thin for a patch of their own: a cell is still where
// its vector leads to something different, and the same place of the other frame shows the same.
void hold_still(const Level& source, const Level& target, int width, int height, int cell, Vector* vectors) {
  parallel_for(height, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int column = 0; column < width; ++column) {
        Vector& vector = vectors[row * width + column];
        const float u = vector.x * static_cast<float>(cell), v = vector.y * static_cast<float>(cell);
        if (vector.doubt < kDoubtful || u * u + v * v < 1.0f) continue;
        const int left = column * cell, right = std::min(left + cell, source.width);
        const int top = static_cast<int>(row) * cell, bottom = std::min(top + cell, source.height);
        float still = 0.0f, moved = 0.0f;
        for (int y = top; y < bottom; ++y) {
          const float* here = source.origin + y * source.stride;
          const float* there = target.origin + y * target.stride;
          for (int x = left; x < right; ++x) {
            const Sampler at(static_cast<float>(x) + u, static_cast<float>(y) + v, target.width, target.height,
                             target.stride);
            still += std::abs(there[x] - here[x]);
            moved += std::abs(at(target.origin) - here[x]);
          }
        }
        const float samples = static_cast<float>((right - left) * (bottom - top));
        if (moved > kStillFrom * samples + kStillRatio * still) vector = {0.0f, 0.0f, 0.0f, kStillTrust};
      }
    }
  });
}

}  // namespace
}  // namespace vsvfi::flow

// Turns the flows that vsvfi_flow_search found between two frames, on cells of cell x cell samples, into vectors.
VSVFI_API void vsvfi_flow_consistency(const float* forward_x, const float* forward_y, const float* backward_x,
                                      const float* backward_y, const float* first, const float* second,
                                      int32_t width, int32_t height, int32_t cell, vsvfi::flow::Vector* forward,
                                      vsvfi::flow::Vector* backward) {
  using namespace vsvfi::flow;
  const int across = (width + cell - 1) / cell, down = (height + cell - 1) / cell;
  const Flow ahead(forward_x, forward_y, across, down), back(backward_x, backward_y, across, down);
  const Level from = level_of(const_cast<float*>(first), width, height, 0);
  const Level to = level_of(const_cast<float*>(second), width, height, 0);
  check_consistency(ahead, back, from, to, cell, forward);
  check_consistency(back, ahead, to, from, cell, backward);
  const ptrdiff_t count = static_cast<ptrdiff_t>(across) * down;
  if (!related(forward, backward, count)) {
    // Nothing moves from one to the other: one fades into the other.
    std::fill(forward, forward + count, Vector{0.0f, 0.0f, 0.0f, 1.0f});
    std::fill(backward, backward + count, Vector{0.0f, 0.0f, 0.0f, 1.0f});
    return;
  }
  hold_still(from, to, across, down, cell, forward);
  hold_still(to, from, across, down, cell, backward);
  vsvfi::parallel_for(2, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      fill_occlusions(k == 0 ? from : to, across, down, cell, k == 0 ? forward : backward);
    }
  });
}
