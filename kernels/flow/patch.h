// Inverse search of one patch (Kroeger et al., ECCV 2016): its gradients are computed once, in the frame that it comes
// from, and serve every step of its descent in the other frame. See docs/flow.md, step 1.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "flow/pyramid.h"
#include "flow/simd.h"

namespace vsvfi::flow {

constexpr int kPatch = 8;  // samples to a side, as in the paper; eight are one vector register
constexpr float kSamples = kPatch * kPatch;
// Half -0.03 dB on Middlebury, -0.04 on clips; double +0.01, 0.00 (docs/development/flow.md).
constexpr float kMaxDescent = kPatch;     // samples; a descent that goes farther has left its basin (the paper's limit)
// Half +0.03 dB on Middlebury, -0.03 on clips; double -0.04, -0.03 (docs/development/flow.md).
constexpr float kArrived = 1e-3f;         // squared samples; a shorter step ends the descent
// Half +0.17 dB on Middlebury, -0.07 on clips; double +0.17, -0.07 (docs/development/flow.md).
constexpr float kDamping = 60.0f;         // squared luma steps, added to the curvature: flat patches stay in place

// A patch of one frame, with what its descents in the other share.
struct Patch {
  Vec8 value[kPatch], gradient_x[kPatch], gradient_y[kPatch];
  float inverse_xx, inverse_xy, inverse_yy;  // of the curvature
  float sum_x, sum_y;                        // of the gradients
};

inline void make_patch(const Level& level, int x, int y, Patch& out) {
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
  const float a = sum8(xx) - out.sum_x * out.sum_x / kSamples + kDamping;
  const float b = sum8(xy) - out.sum_x * out.sum_y / kSamples;
  const float c = sum8(yy) - out.sum_y * out.sum_y / kSamples + kDamping;
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
inline Position position(const Level& level, int x, int y, float u, float v) {
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
Residual compare(const Patch& patch, const Level& level, int x, int y, float u, float v) {
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

inline void descend(const Patch& patch, const Level& level, int x, int y, int iterations, Motion& motion) {
  const float start_u = motion.u, start_v = motion.v;
  float u = start_u, v = start_v;
  Motion best = motion;
  for (int i = 0; i <= iterations; ++i) {
    const Residual residual = compare<true>(patch, level, x, y, u, v);
    if (i > 0 && !(residual.cost < best.cost)) break;
    best = {u, v, residual.cost};
    u -= residual.step_x;
    v -= residual.step_y;
    if (!(std::abs(u - start_u) <= kMaxDescent && std::abs(v - start_v) <= kMaxDescent)) break;
    if (residual.step_x * residual.step_x + residual.step_y * residual.step_y < kArrived) break;
  }
  motion = best;
}

}  // namespace vsvfi::flow
