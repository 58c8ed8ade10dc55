// A level of intermediate-feature refinement (IFRNet, AMT) in single passes: what a decoder sees, and the final blend.
#pragma once

#include "ops/kernel.h"
#include "ops/pyramid.h"

namespace vsvfi {

struct RefinementArguments {
  TensorArguments refined;      // (N, ., height, width) of T: flow increments (4 channels), then what the kernel says
  TensorArguments before;       // (N, 4, height / 2, width / 2) of float: the flow of the level before, or none
  TensorArguments features[2];  // (1, feature_channels, height, width): of T, or frames less their mean, of float
  const void* mean;             // (1,) of float
  void* flow;                   // (N, 4, height, width) of float
  void* output;
  TensorArguments out;          // the output's strides, data unused
  int64 height, width, feature_channels, passed_on;
};

template <class T>
struct RefinementBase : RefinementArguments {
  using Arguments = RefinementArguments;

  VSVFI_FN explicit RefinementBase(const Arguments& arguments) : RefinementArguments(arguments) {}

  VSVFI_FN float refined_at(int64 n, int c, int y, int x) const { return refined.template view<T>().at(n, c, y, x); }
  VSVFI_FN void flow_at(float* made, int64 n, int y, int x) const {
    for (int c = 0; c < 4; ++c) made[c] = refined_at(n, c, y, x);
    if (!before.data) return;
    const Corners p = corners(0.5f * static_cast<float>(x) - 0.25f, 0.5f * static_cast<float>(y) - 0.25f,
                              static_cast<int>(width) / 2, static_cast<int>(height) / 2);
    for (int c = 0; c < 4; ++c) made[c] = mad(2.0f, before.template view<float>().at(n, c, p), made[c]);
  }
  VSVFI_FN Corners towards(int side, const float* made, int y, int x) const {
    return corners(static_cast<float>(x) + made[2 * side], static_cast<float>(y) + made[2 * side + 1],
                   static_cast<int>(width), static_cast<int>(height));
  }
};

// The flow so far, and a decoder's input (N, passed_on + 2 * feature_channels + 4, height, width) of T: the channels
// after the increments, both features warped, the flow.
template <class T, int>
struct RefinementInput : RefinementBase<T> {
  using Base = RefinementBase<T>;
  using Base::Base;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 n = quotient(row, this->height), plane = this->height * this->width;
    const int y = static_cast<int>(remainder(row, this->height));
    float* flows = static_cast<float*>(this->flow) + 4 * n * plane + y * this->width + x;
    T* out = static_cast<T*>(this->output) + (n * this->out.batch + y * this->out.row + x * this->out.column);
    for (int i = 0; i < count; ++i, out += this->out.column) {
      float made[4];
      this->flow_at(made, n, y, x + i);
      int64 channel = 0;
      for (int c = 0; c < this->passed_on; ++c)
        store(out, channel++ * this->out.channel, this->refined_at(n, 4 + c, y, x + i));
      for (int side = 0; side < 2; ++side) {
        const Corners at = this->towards(side, made, y, x + i);
        for (int c = 0; c < this->feature_channels; ++c)
          store(out, channel++ * this->out.channel, this->features[side].template view<T>().at(0, c, at));
      }
      for (int c = 0; c < 4; ++c) {
        flows[c * plane + i] = made[c];
        store(out, channel++ * this->out.channel, made[c]);
      }
    }
  }
};

// The new frames (N, 3, height, width) of float, limited to [0, 1]: after the increments come a mask logit and a
// residual of 3 channels.
template <class T, int>
struct RefinementBlend : RefinementBase<T> {
  using Base = RefinementBase<T>;
  using Base::Base;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 n = quotient(row, this->height), plane = this->height * this->width;
    const int y = static_cast<int>(remainder(row, this->height));
    float* out = static_cast<float*>(this->output) + 3 * n * plane + y * this->width + x;
    const float mean = static_cast<const float*>(this->mean)[0];
    for (int i = 0; i < count; ++i) {
      float made[4];
      this->flow_at(made, n, y, x + i);
      const float share = 1.0f / (1.0f + exponential(-this->refined_at(n, 4, y, x + i)));
      const Corners first = this->towards(0, made, y, x + i), second = this->towards(1, made, y, x + i);
      for (int c = 0; c < 3; ++c) {
        const float a = this->features[0].template view<float>().at(0, c, first);
        const float b = this->features[1].template view<float>().at(0, c, second);
        const float v = share * a + (1.0f - share) * b + mean + this->refined_at(n, 5 + c, y, x + i);
        out[c * plane + i] = limit(v, 0.0f, 1.0f);
      }
    }
  }
};

}  // namespace vsvfi
