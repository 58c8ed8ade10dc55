// Dense inverse search: optical flow from small patches, coarse to fine (Kroeger et al., ECCV 2016).
//
// Differs from the paper where it pays: patches overhang the border, and good motion spreads between neighbours in
// rounds that read the round before, so that the result does not depend on the number of threads.
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/api.h"
#include "flow/pyramid.h"
#include "flow/simd.h"
#include "common/parallel.h"

namespace vsvfi::flow {

struct SearchSettings {
  int32_t thin;        // samples to a side of the cells that the flow is wanted for: 1, 2, 4, 8 or 16
  int32_t stride;      // samples from patch to patch
  int32_t rounds;      // of spreading between neighbours
  int32_t iterations;  // of descent, at most, each round
  int32_t reach;       // up and down of the search for small things that move far (half as far again sideways), in
                       // samples of its level; 0: none
};

namespace {

constexpr int kPatch = 8;
constexpr float kSamples = kPatch * kPatch;
constexpr float kFarthest = kPatch;     // a descent that goes farther from its start is lost
constexpr float kStill = 1e-3f;          // a squared step after which a descent has arrived
constexpr float kPoor = 36.0f * kSamples;   // a match worse than this is no match
constexpr float kLeapGain = 0.4f;       // what is left of the cost where a match far away is believed
constexpr int kLeapSide = 200;          // the level with a shorter side below this is searched
constexpr float kFlattest = 60.0f;      // added to the curvature, so that flat patches stay where they are

struct Template {
  Vec8 value[kPatch], gradient_x[kPatch], gradient_y[kPatch];
  float inverse_xx, inverse_xy, inverse_yy;  // of the curvature
  float sum_x, sum_y;                        // of the gradients
};

void make_template(const Level& level, int x, int y, Template& out) {
  Vec8 xx = {}, xy = {}, yy = {}, sx = {}, sy = {};
  for (int r = 0; r < kPatch; ++r) {
    const float* row = level.origin + (y + r) * level.stride + x;
    out.value[r] = load8(row);
    const Vec8 gx = (load8(row + 1) - load8(row - 1)) * 0.5f;
    const Vec8 gy = (load8(row + level.stride) - load8(row - level.stride)) * 0.5f;
    out.gradient_x[r] = gx;
    out.gradient_y[r] = gy;
    xx += gx * gx;
    xy += gx * gy;
    yy += gy * gy;
    sx += gx;
    sy += gy;
  }
  out.sum_x = sum8(sx);
  out.sum_y = sum8(sy);
  const float a = sum8(xx) - out.sum_x * out.sum_x / kSamples + kFlattest;
  const float b = sum8(xy) - out.sum_x * out.sum_y / kSamples;
  const float c = sum8(yy) - out.sum_y * out.sum_y / kSamples + kFlattest;
  const float scale = 1.0f / (a * c - b * b);
  out.inverse_xx = c * scale;
  out.inverse_xy = -b * scale;
  out.inverse_yy = a * scale;
}

struct Position {
  const float* row;
  float fx, fy;
};

// Where the patch at (x, y) lands when moved by (u, v), kept within the margins.
Position position(const Level& level, int x, int y, float u, float v) {
  const float px = std::min(std::max(static_cast<float>(x) + u, -static_cast<float>(kMargin - 1)),
                            static_cast<float>(level.width + kMargin - kPatch - 2));
  const float py = std::min(std::max(static_cast<float>(y) + v, -static_cast<float>(kMargin - 1)),
                            static_cast<float>(level.height + kMargin - kPatch - 2));
  const float x0 = std::floor(px), y0 = std::floor(py);
  return {level.origin + static_cast<ptrdiff_t>(y0) * level.stride + static_cast<ptrdiff_t>(x0), px - x0, py - y0};
}

struct Residual {
  float cost, step_x, step_y;
};

// Squared differences with the mean difference set aside, and the Gauss-Newton step that lessens them.
template <bool WithStep>
Residual compare(const Template& patch, const Level& level, int x, int y, float u, float v) {
  const Position at = position(level, x, y, u, v);
  const float* row = at.row;
  Vec8 sum = {}, squares = {}, bx = {}, by = {};
  Vec8 above = load8(row) + (load8(row + 1) - load8(row)) * at.fx;
  for (int r = 0; r < kPatch; ++r) {
    row += level.stride;
    const Vec8 below = load8(row) + (load8(row + 1) - load8(row)) * at.fx;
    const Vec8 d = above + (below - above) * at.fy - patch.value[r];
    sum += d;
    squares += d * d;
    if (WithStep) {
      bx += d * patch.gradient_x[r];
      by += d * patch.gradient_y[r];
    }
    above = below;
  }
  const float total = sum8(sum);
  Residual out = {sum8(squares) - total * total / kSamples, 0.0f, 0.0f};
  if (WithStep) {
    const float gx = sum8(bx) - total * patch.sum_x / kSamples;
    const float gy = sum8(by) - total * patch.sum_y / kSamples;
    out.step_x = patch.inverse_xx * gx + patch.inverse_xy * gy;
    out.step_y = patch.inverse_xy * gx + patch.inverse_yy * gy;
  }
  return out;
}

struct Motion {
  float u, v, cost;
};

void descend(const Template& patch, const Level& level, int x, int y, int iterations, Motion& motion) {
  const float start_u = motion.u, start_v = motion.v;
  float u = start_u, v = start_v;
  Motion best = motion;
  for (int i = 0; i <= iterations; ++i) {
    const Residual residual = compare<true>(patch, level, x, y, u, v);
    if (i > 0 && !(residual.cost < best.cost)) break;
    best = {u, v, residual.cost};
    u -= residual.step_x;
    v -= residual.step_y;
    if (!(std::abs(u - start_u) <= kFarthest && std::abs(v - start_v) <= kFarthest)) break;
    if (residual.step_x * residual.step_x + residual.step_y * residual.step_y < kStill) break;
  }
  motion = best;
}

struct Grid {
  int stride, offset, columns, rows;
  std::vector<Motion> motion;
  int x(int column) const { return column * stride - offset; }
  int y(int row) const { return row * stride - offset; }
};

struct FlowLevel {
  int width, height;
  std::vector<float> u, v;
};

float upsampled(const std::vector<float>& plane, const FlowLevel& coarse, float x, float y) {
  x = std::min(std::max(x, 0.0f), static_cast<float>(coarse.width - 1));
  y = std::min(std::max(y, 0.0f), static_cast<float>(coarse.height - 1));
  const int x0 = static_cast<int>(x), y0 = static_cast<int>(y);
  const int x1 = std::min(x0 + 1, coarse.width - 1), y1 = std::min(y0 + 1, coarse.height - 1);
  const float fx = x - static_cast<float>(x0), fy = y - static_cast<float>(y0);
  const float* top = plane.data() + static_cast<ptrdiff_t>(y0) * coarse.width;
  const float* bottom = plane.data() + static_cast<ptrdiff_t>(y1) * coarse.width;
  const float a = top[x0] + (top[x1] - top[x0]) * fx, b = bottom[x0] + (bottom[x1] - bottom[x0]) * fx;
  return a + (b - a) * fy;
}

void search_first(const Level& source, const Level& target, const FlowLevel* coarse, int iterations, Grid& grid) {
  parallel_for(grid.rows, 2, [&](int64_t begin, int64_t end) {
    Template patch;
    for (int row = static_cast<int>(begin); row < end; ++row) {
      for (int column = 0; column < grid.columns; ++column) {
        const int x = grid.x(column), y = grid.y(row);
        make_template(source, x, y, patch);
        Motion motion = {0.0f, 0.0f, 0.0f};
        if (coarse != nullptr) {
          const float cx = (static_cast<float>(x) + 0.5f * kPatch) * 0.5f - 0.5f;
          const float cy = (static_cast<float>(y) + 0.5f * kPatch) * 0.5f - 0.5f;
          motion.u = 2.0f * upsampled(coarse->u, *coarse, cx, cy);
          motion.v = 2.0f * upsampled(coarse->v, *coarse, cx, cy);
        }
        descend(patch, target, x, y, iterations, motion);
        grid.motion[static_cast<size_t>(row) * grid.columns + column] = motion;
      }
    }
  });
}

void spread(const Level& source, const Level& target, int iterations, Grid& grid) {
  static constexpr int kNeighbours[4][2] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
  const std::vector<Motion> before = grid.motion;
  parallel_for(grid.rows, 2, [&](int64_t begin, int64_t end) {
    Template patch;
    for (int row = static_cast<int>(begin); row < end; ++row) {
      for (int column = 0; column < grid.columns; ++column) {
        const int x = grid.x(column), y = grid.y(row);
        const size_t i = static_cast<size_t>(row) * grid.columns + column;
        const Motion own = before[i];
        Motion best = own;
        bool made = false;
        for (const auto& step : kNeighbours) {
          const int c = column + step[0], r = row + step[1];
          if (c < 0 || r < 0 || c >= grid.columns || r >= grid.rows) continue;
          const Motion other = before[static_cast<size_t>(r) * grid.columns + c];
          // A neighbour that moves alike has nothing new to offer.
          if (std::abs(other.u - own.u) + std::abs(other.v - own.v) < 0.25f) continue;
          if (!made) make_template(source, x, y, patch);
          made = true;
          const float cost = compare<false>(patch, target, x, y, other.u, other.v).cost;
          if (cost < best.cost) best = {other.u, other.v, cost};
        }
        if (best.cost < own.cost) descend(patch, target, x, y, iterations, best);
        grid.motion[i] = best;
      }
    }
  });
}

// Looks everywhere near for patches that found no good match: small things that move farther than their size vanish
// from the coarser levels, and with them their motion.
void leap(const Level& source, const Level& target, int reach, int iterations, Grid& grid) {
  parallel_for(grid.rows, 1, [&](int64_t begin, int64_t end) {
    Template patch;
    for (int row = static_cast<int>(begin); row < end; ++row) {
      for (int column = 0; column < grid.columns; ++column) {
        Motion& own = grid.motion[static_cast<size_t>(row) * grid.columns + column];
        if (own.cost < kPoor) continue;
        const int x = grid.x(column), y = grid.y(row);
        make_template(source, x, y, patch);
        Motion best = own;
        best.cost *= kLeapGain;
        const int left = std::max(-reach * 3 / 2, -kMargin + 1 - x);
        const int right = std::min(reach * 3 / 2, target.width + kMargin - kPatch - 2 - x);
        const int top = std::max(-reach, -kMargin + 1 - y);
        const int bottom = std::min(reach, target.height + kMargin - kPatch - 2 - y);
        for (int v = top; v <= bottom; ++v) {
          for (int u = left; u <= right; ++u) {
            const float* there = target.origin + (y + v) * target.stride + x + u;
            Vec8 sum = {}, squares = {};
            for (int r = 0; r < kPatch; ++r) {
              const Vec8 d = load8(there + r * target.stride) - patch.value[r];
              sum += d;
              squares += d * d;
            }
            const float total = sum8(sum);
            const float cost = sum8(squares) - total * total / kSamples;
            if (cost < best.cost) best = {static_cast<float>(u), static_cast<float>(v), cost};
          }
        }
        if (best.cost < own.cost * kLeapGain) {
          descend(patch, target, x, y, iterations, best);
          own = best;
        }
      }
    }
  });
}

// Every sample takes the mean of the motions of the patches over it, those that match it best counting most.
void densify(const Level& source, const Level& target, const Grid& grid, int thin, FlowLevel& flow) {
  constexpr int kBand = 16;
  parallel_for((source.height + kBand - 1) / kBand, 1, [&](int64_t begin, int64_t end) {
    const ptrdiff_t stride = source.width + 2 * kMargin;
    std::vector<float> sums(3 * stride * kBand);
    for (int64_t band = begin; band < end; ++band) {
      const int top = static_cast<int>(band) * kBand, bottom = std::min(top + kBand, source.height);
      std::fill(sums.begin(), sums.end(), 0.0f);
      const int first = std::max(0, (top + grid.offset - kPatch) / grid.stride);
      for (int row = first; row < grid.rows && grid.y(row) < bottom; ++row) {
        const int y = grid.y(row);
        for (int column = 0; column < grid.columns; ++column) {
          const int x = grid.x(column);
          const Motion motion = grid.motion[static_cast<size_t>(row) * grid.columns + column];
          const Position at = position(target, x, y, motion.u, motion.v);
          const int from = std::max(y, top), to = std::min(y + kPatch, bottom);
          if (from >= to) continue;
          const float* there = at.row + (from - y) * target.stride;
          Vec8 above = load8(there) + (load8(there + 1) - load8(there)) * at.fx;
          for (int r = from; r < to; ++r) {
            there += target.stride;
            const Vec8 below = load8(there) + (load8(there + 1) - load8(there)) * at.fx;
            const Vec8 d = above + (below - above) * at.fy - load8(source.origin + r * source.stride + x);
            above = below;
            const Vec8 weight = 1.0f / max8(abs8(d), all8(1.0f));
            float* to_sums = sums.data() + 3 * stride * (r - top) + kMargin + x;
            store8(to_sums, load8(to_sums) + weight * motion.u);
            store8(to_sums + stride, load8(to_sums + stride) + weight * motion.v);
            store8(to_sums + 2 * stride, load8(to_sums + 2 * stride) + weight);
          }
        }
      }
      for (int y = top; y < bottom; y += thin) {
        float* first_row = sums.data() + 3 * stride * (y - top) + kMargin;
        for (int r = 1; r < std::min(thin, bottom - y); ++r) {
          for (ptrdiff_t i = 0; i < 3 * stride - kMargin; ++i) first_row[i] += first_row[i + 3 * stride * r];
        }
        float* u = flow.u.data() + static_cast<ptrdiff_t>(y / thin) * flow.width;
        float* v = flow.v.data() + static_cast<ptrdiff_t>(y / thin) * flow.width;
        if (thin == 1) {
          for (int x = 0; x < flow.width; ++x) {
            u[x] = first_row[x] / first_row[x + 2 * stride];
            v[x] = first_row[x + stride] / first_row[x + 2 * stride];
          }
          continue;
        }
        for (int x = 0; x < flow.width; ++x) {
          float mean[3] = {};
          for (int k = x * thin; k < std::min((x + 1) * thin, source.width); ++k) {
            for (int c = 0; c < 3; ++c) mean[c] += first_row[k + c * stride];
          }
          u[x] = mean[0] / mean[2];
          v[x] = mean[1] / mean[2];
        }
      }
    }
  });
}

}  // namespace
}  // namespace vsvfi::flow

// Flow from one picture to another, both pyramids of first level (width, height), in samples of that level: the mean of
// each cell of settings->thin x settings->thin samples.
VSVFI_API void vsvfi_flow_search(const float* source, const float* target, int32_t width, int32_t height,
                                 const vsvfi::flow::SearchSettings* settings, float* out_x, float* out_y) {
  using namespace vsvfi::flow;
  float* first = const_cast<float*>(source);
  float* second = const_cast<float*>(target);
  const int coarsest = level_count(width, height) - 1;
  int leap_level = 0;
  while (leap_level < coarsest && std::min(width, height) >> leap_level >= kLeapSide) ++leap_level;
  FlowLevel coarse;
  for (int index = coarsest; index >= 0; --index) {
    const Level from = level_of(first, width, height, index), to = level_of(second, width, height, index);
    Grid grid;
    grid.stride = settings->stride;
    grid.offset = (kPatch - grid.stride) / 2;
    grid.columns = (from.width + grid.stride - 1) / grid.stride;
    grid.rows = (from.height + grid.stride - 1) / grid.stride;
    grid.motion.resize(static_cast<size_t>(grid.columns) * grid.rows);
    search_first(from, to, index < coarsest ? &coarse : nullptr, settings->iterations, grid);
    for (int round = 0; round < settings->rounds; ++round) spread(from, to, settings->iterations, grid);
    if (settings->reach > 0 && index == leap_level) {
      leap(from, to, settings->reach, settings->iterations, grid);
      spread(from, to, settings->iterations, grid);
    }
    const int thin = index == 0 ? settings->thin : 1;
    FlowLevel flow = {(from.width + thin - 1) / thin, (from.height + thin - 1) / thin, {}, {}};
    flow.u.resize(static_cast<size_t>(flow.width) * flow.height);
    flow.v.resize(flow.u.size());
    densify(from, to, grid, thin, flow);
    coarse = std::move(flow);
  }
  std::copy(coarse.u.begin(), coarse.u.end(), out_x);
  std::copy(coarse.v.begin(), coarse.v.end(), out_y);
}
