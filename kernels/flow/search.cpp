// Dense inverse search: optical flow from small patches, coarse to fine (Kroeger et al., ECCV 2016). Step 1 of
// docs/flow.md.
//
// Differs from the paper, for quality: patches overhang the border, good motion propagates between neighbours in
// rounds that read the round before, so that the result does not depend on the number of threads, and patches without
// a match are searched for exhaustively at two coarse levels.
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/api.h"
#include "common/parallel.h"
#include "flow/patch.h"
#include "flow/pyramid.h"
#include "flow/simd.h"

namespace vsvfi::flow {

// Mirrors the class `Search` in vsvfi/compiled/flow.py.
struct SearchSettings {
  int32_t cell;          // samples to a side of the cells that the flow is wanted for: 1, 2, 4, 8 or 16
  int32_t stride;        // samples from patch to patch
  int32_t propagations;  // rounds of spatial propagation
  int32_t iterations;    // steps of a descent, at most
  int32_t range;         // of the exhaustive search, up and down (half as far again sideways), in samples of the finer
                         // of its two levels; 0: none. With 16 the coarser reaches a quarter of the picture's height
  int32_t step;          // samples from try to try at the coarser level; the descent does the rest
};

namespace {

// 16 instead of 36: no difference for twice the work (docs/development/flow.md).
constexpr float kNoMatch = 36.0f * kSamples;  // squared luma steps: a patch this unlike its best place has no match yet
// Half -0.55 dB on Middlebury, -0.08 on clips; double +0.15, -0.04 (docs/development/flow.md).
constexpr float kExhaustiveGain = 0.4f;       // share of its cost that a match found exhaustively may keep
constexpr int kExhaustiveSide = 200;          // samples; the first level with a shorter side below this is searched,
                                              // and the next one half as far again
// Half -0.02 dB on Middlebury, +0.04 on clips; double -0.04, -0.01 (docs/development/flow.md).
constexpr float kAlike = 0.25f;               // samples; a neighbour whose motion is this similar is not tried

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

void inverse_search(const Level& source, const Level& target, const FlowLevel* coarse, int iterations, Grid& grid) {
  parallel_for(grid.rows, 2, [&](int64_t begin, int64_t end) {
    Patch patch;
    for (int row = static_cast<int>(begin); row < end; ++row) {
      for (int column = 0; column < grid.columns; ++column) {
        const int x = grid.x(column), y = grid.y(row);
        make_patch(source, x, y, patch);
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

// Every patch tries the motions of its four neighbours, and descends from the best.
void propagate(const Level& source, const Level& target, int iterations, Grid& grid) {
  static constexpr int kNeighbours[4][2] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
  const std::vector<Motion> before = grid.motion;
  parallel_for(grid.rows, 2, [&](int64_t begin, int64_t end) {
    Patch patch;
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
          if (std::abs(other.u - own.u) + std::abs(other.v - own.v) < kAlike) continue;
          if (!made) make_patch(source, x, y, patch);
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

// Squared differences, the mean set aside, at whole samples; or `limit`, where the first rows alone reach it.
float whole_cost(const Patch& patch, const Level& target, int x, int y, float limit) {
  constexpr int kFirst = 3;  // rows
  const float* there = target.origin + y * target.stride + x;
  Vec8 sum = {}, squares = {};
  const auto add = [&](int r) {
    const Vec8 d = load8(there + r * target.stride) - patch.value[r];
    sum += d;
    squares += d * d;
  };
  for (int r = 0; r < kFirst; ++r) add(r);
  const float some = sum8(sum);
  if (sum8(squares) - some * some / (kFirst * kPatch) >= limit) return limit;
  for (int r = kFirst; r < kPatch; ++r) add(r);
  const float total = sum8(sum);
  return sum8(squares) - total * total / kSamples;
}

// The best motion of every `step` samples within range, if it beats `best`.
Motion best_in_range(const Patch& patch, const Level& target, int x, int y, int range, int step, Motion best) {
  const int left = std::max(-range * 3 / 2, -kMargin + 1 - x);
  const int right = std::min(range * 3 / 2, target.width + kMargin - kPatch - 2 - x);
  const int top = std::max(-range, -kMargin + 1 - y);
  const int bottom = std::min(range, target.height + kMargin - kPatch - 2 - y);
  for (int v = top; v <= bottom; v += step) {
    for (int u = left; u <= right; u += step) {
      const float cost = whole_cost(patch, target, x + u, y + v, best.cost);
      if (cost < best.cost) best = {static_cast<float>(u), static_cast<float>(v), cost};
    }
  }
  return best;
}

// Looks everywhere in range for patches that found no match: small things that move farther than their size vanish
// from the coarser levels, and with them their motion.
void exhaustive_search(const Level& source, const Level& target, int range, int step, int iterations, Grid& grid) {
  parallel_for(grid.rows, 1, [&](int64_t begin, int64_t end) {
    Patch patch;
    for (int row = static_cast<int>(begin); row < end; ++row) {
      for (int column = 0; column < grid.columns; ++column) {
        Motion& own = grid.motion[static_cast<size_t>(row) * grid.columns + column];
        if (own.cost < kNoMatch) continue;
        const int x = grid.x(column), y = grid.y(row);
        make_patch(source, x, y, patch);
        const float enough = own.cost * kExhaustiveGain;
        Motion best = best_in_range(patch, target, x, y, range, step, {own.u, own.v, enough});
        if (best.cost < enough) {
          descend(patch, target, x, y, iterations, best);
          own = best;
        }
      }
    }
  });
}

constexpr int kBand = 16;  // rows that are made dense together; a multiple of every cell

// Weighted sums of motion under the patches, for the rows of a band: u, v and the weights, one row of each in turn.
struct Sums {
  ptrdiff_t stride;
  std::vector<float> values;

  explicit Sums(int width) : stride(width + 2 * kMargin), values(3 * stride * kBand) {}
  float* row(int y) { return values.data() + 3 * stride * y + kMargin; }
  void clear() { std::fill(values.begin(), values.end(), 0.0f); }
};

// Adds a patch's motion to the rows [top, bottom), weighted by how well each of its samples matches.
void add_patch(const Level& source, const Level& target, int x, int y, const Motion& motion, int top, int bottom,
               Sums& sums) {
  const Position at = position(target, x, y, motion.u, motion.v);
  const int from = std::max(y, top), to = std::min(y + kPatch, bottom);
  if (from >= to) return;
  const float* there = at.row + (from - y) * target.stride;
  Vec8 above = load8(there) + (load8(there + 1) - load8(there)) * at.fx;
  for (int r = from; r < to; ++r) {
    there += target.stride;
    const Vec8 below = load8(there) + (load8(there + 1) - load8(there)) * at.fx;
    const Vec8 d = above + (below - above) * at.fy - load8(source.origin + r * source.stride + x);
    above = below;
    const Vec8 weight = 1.0f / max8(abs8(d), all8(1.0f));
    float* out = sums.row(r - top) + x;
    store8(out, load8(out) + weight * motion.u);
    store8(out + sums.stride, load8(out + sums.stride) + weight * motion.v);
    store8(out + 2 * sums.stride, load8(out + 2 * sums.stride) + weight);
  }
}

// One row of cells, the means of `rows` rows of sums.
void cell_means(Sums& sums, int first, int rows, int cell, int width, int columns, float* u, float* v) {
  float* sum = sums.row(first);
  for (int r = 1; r < rows; ++r) {
    for (ptrdiff_t i = 0; i < 3 * sums.stride - kMargin; ++i) sum[i] += sum[i + 3 * sums.stride * r];
  }
  if (cell == 1) {
    for (int x = 0; x < columns; ++x) {
      u[x] = sum[x] / sum[x + 2 * sums.stride];
      v[x] = sum[x + sums.stride] / sum[x + 2 * sums.stride];
    }
    return;
  }
  for (int x = 0; x < columns; ++x) {
    float mean[3] = {};
    for (int k = x * cell; k < std::min((x + 1) * cell, width); ++k) {
      for (int c = 0; c < 3; ++c) mean[c] += sum[k + c * sums.stride];
    }
    u[x] = mean[0] / mean[2];
    v[x] = mean[1] / mean[2];
  }
}

// Every cell takes the mean of the motions of the patches over it, those that match it best counting most.
void densify(const Level& source, const Level& target, const Grid& grid, int cell, FlowLevel& flow) {
  parallel_for((source.height + kBand - 1) / kBand, 1, [&](int64_t begin, int64_t end) {
    Sums sums(source.width);
    for (int64_t band = begin; band < end; ++band) {
      const int top = static_cast<int>(band) * kBand, bottom = std::min(top + kBand, source.height);
      sums.clear();
      for (int row = std::max(0, (top + grid.offset - kPatch) / grid.stride);
           row < grid.rows && grid.y(row) < bottom; ++row) {
        for (int column = 0; column < grid.columns; ++column) {
          const Motion& motion = grid.motion[static_cast<size_t>(row) * grid.columns + column];
          add_patch(source, target, grid.x(column), grid.y(row), motion, top, bottom, sums);
        }
      }
      for (int y = top; y < bottom; y += cell) {
        const ptrdiff_t out = static_cast<ptrdiff_t>(y / cell) * flow.width;
        cell_means(sums, y - top, std::min(cell, bottom - y), cell, source.width, flow.width, flow.u.data() + out,
                   flow.v.data() + out);
      }
    }
  });
}

}  // namespace
}  // namespace vsvfi::flow

// Flow from one picture to another, both pyramids of first level (width, height), in samples of that level: the mean of
// each cell of settings->cell x settings->cell samples.
VSVFI_API void vsvfi_flow_search(const float* source, const float* target, int32_t width, int32_t height,
                                 const vsvfi::flow::SearchSettings* settings, float* out_x, float* out_y) {
  using namespace vsvfi::flow;
  float* first = const_cast<float*>(source);
  float* second = const_cast<float*>(target);
  const int coarsest = level_count(width, height) - 1;
  int exhaustive_level = 0;
  for (int side = std::min(width, height); side >= kExhaustiveSide && exhaustive_level < coarsest; side >>= 1) {
    ++exhaustive_level;
  }
  FlowLevel coarse;
  for (int index = coarsest; index >= 0; --index) {
    const Level from = level_of(first, width, height, index), to = level_of(second, width, height, index);
    Grid grid;
    grid.stride = settings->stride;
    grid.offset = (kPatch - grid.stride) / 2;
    grid.columns = (from.width + grid.stride - 1) / grid.stride;
    grid.rows = (from.height + grid.stride - 1) / grid.stride;
    grid.motion.resize(static_cast<size_t>(grid.columns) * grid.rows);
    inverse_search(from, to, index < coarsest ? &coarse : nullptr, settings->iterations, grid);
    for (int round = 0; round < settings->propagations; ++round) propagate(from, to, settings->iterations, grid);
    if (settings->range > 0 && (index == exhaustive_level || index == exhaustive_level + 1)) {
      const bool finer = index == exhaustive_level;
      const int range = finer ? settings->range : settings->range * 3 / 2, step = finer ? 1 : settings->step;
      exhaustive_search(from, to, range, step, settings->iterations, grid);
      propagate(from, to, settings->iterations, grid);
    }
    const int cell = index == 0 ? settings->cell : 1;
    FlowLevel flow = {(from.width + cell - 1) / cell, (from.height + cell - 1) / cell, {}, {}};
    flow.u.resize(static_cast<size_t>(flow.width) * flow.height);
    flow.v.resize(flow.u.size());
    densify(from, to, grid, cell, flow);
    coarse = std::move(flow);
  }
  std::copy(coarse.u.begin(), coarse.u.end(), out_x);
  std::copy(coarse.v.begin(), coarse.v.end(), out_y);
}
