// BMBC's bilateral cost volume and its gradients.
#pragma once

#include "ops/backward_warp.h"
#include "ops/kernel.h"

namespace vsvfi {

struct BilateralArguments {
  const void* first;        // (N, C, H, W) of T, which is float or double
  const void* second;       // (N, C, H, W) of T
  const void* motion;       // (N, 2, H, W) of T
  const void* grad_output;  // (N, (2 * radius + 1)^2, H, W) of T
  void* output;             // the result, or the gradient to a map or to the motion
  int64 channels, height, width, radius;
  double first_scale, second_scale;  // -2 t and 2 (1 - t); 0 leaves a map as it is
};

// Samples of one map for the lanes of a span, along the motion displaced by (dx, dy) and scaled.
template <class A>
struct BilateralTaps {
  AxisTaps<A, 2> h, v;
  A mask[kLanes];
};

template <class T>
struct BilateralBase : Planes<BilateralArguments> {
  using A = Accumulator<T>;
  using Planes<BilateralArguments>::Planes;

  VSVFI_FN int64 side() const { return 2 * radius + 1; }
  VSVFI_FN A at_y(int64 row, int x, int i, A dy, A scale) const {
    const A v = static_cast<const A*>(motion)[place(row, x, 2) + plane() + i];
    const A y = A(remainder(row, height));
    return scale == A(0) ? y : warp_position(y + (v + dy) * scale, static_cast<int>(height), false);
  }
  VSVFI_FN void taps(BilateralTaps<A>& at, int64 row, int x, int count, int64 d, A scale) const {
    const A dx = A(d % side() - radius), dy = A(d / side() - radius);
    const A* u = static_cast<const A*>(motion) + place(row, x, 2);
    const int w = static_cast<int>(width), h = static_cast<int>(height);
    for (int i = 0; i < count; ++i) {
      const A column = A(x + i);
      const A at_x = scale == A(0) ? column : warp_position(column + (u[i] + dx) * scale, w, false);
      const A y = at_y(row, x, i, dy, scale);
      at.h.set(i, at_x, w, false, false);
      at.v.set(i, y, h, false, false);
      // What the plane of ones would give with zeros outside.
      const A ones = overlap(at_x, w) * overlap(y, h);
      at.mask[i] = ones >= static_cast<A>(0.999) ? A(1) : A(0);
      at.v.index[0][i] *= w;
      at.v.index[1][i] *= w;
    }
  }
  // Half of the bilinear interpolation of ones: the share of one axis that lies inside.
  VSVFI_FN static A overlap(A at, int size) {
    at = position(at, size, 3);
    const int i = floor_index(at);
    const A f = at - A(i);
    return (within(i, size) ? A(1) - f : A(0)) + (within(i + 1, size) ? f : A(0));
  }
  VSVFI_FN static A read(const A* map, const BilateralTaps<A>& at, int i) {
    const A top = map[at.v.index[0][i] + at.h.index[0][i]] * at.h.weight[0][i] +
                  map[at.v.index[0][i] + at.h.index[1][i]] * at.h.weight[1][i];
    const A bottom = map[at.v.index[1][i] + at.h.index[0][i]] * at.h.weight[0][i] +
                     map[at.v.index[1][i] + at.h.index[1][i]] * at.h.weight[1][i];
    return (top * at.v.weight[0][i] + bottom * at.v.weight[1][i]) * at.mask[i];
  }
};

template <class T, int>
struct BilateralCostVolume : BilateralBase<T> {
  using typename BilateralBase<T>::A;
  using BilateralBase<T>::BilateralBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 plane = this->plane();
    const int64 base = quotient(row, this->height) * this->channels * plane;
    const A* a = static_cast<const A*>(this->first) + base;
    const A* b = static_cast<const A*>(this->second) + base;
    A* out = static_cast<A*>(this->output) + this->place(row, x, this->side() * this->side());
    for (int64 d = 0; d < this->side() * this->side(); ++d, out += plane) {
      BilateralTaps<A> at_a, at_b;
      this->taps(at_a, row, x, count, d, static_cast<A>(this->first_scale));
      this->taps(at_b, row, x, count, d, static_cast<A>(this->second_scale));
      A sum[kLanes];
      for (int i = 0; i < count; ++i) sum[i] = 0;
      for (int64 c = 0; c < this->channels; ++c)
        for (int i = 0; i < count; ++i)
          sum[i] = mad(this->read(a + c * plane, at_a, i), this->read(b + c * plane, at_b, i), sum[i]);
      for (int i = 0; i < count; ++i) out[i] = sum[i];
    }
  }
};

// To the first map (variant 0) or to the second (variant 1).
template <class T, int which>
struct BilateralCostVolumeGradMap : BilateralBase<T> {
  using typename BilateralBase<T>::A;
  using BilateralBase<T>::BilateralBase;

  VSVFI_FN A own_scale() const { return static_cast<A>(which == 0 ? this->first_scale : this->second_scale); }

  VSVFI_FN Rows targets(int64 row, int x, int count) const {
    Rows reached;
    const int height = static_cast<int>(this->height);
    for (int64 dy = -this->radius; dy <= this->radius; ++dy)
      for (int i = 0; i < count; ++i) {
        const int y = floor_index(position(this->at_y(row, x, i, A(dy), own_scale()), height, 3));
        reached.add(clamp_index(y, height), clamp_index(y + 1, height));
      }
    return reached;
  }

  VSVFI_FN void span(int64 row, int x, int count, int begin, int end) const {
    const int64 plane = this->plane();
    const int low = begin * static_cast<int>(this->width), high = end * static_cast<int>(this->width);
    const int64 base = quotient(row, this->height) * this->channels * plane;
    const A* other = static_cast<const A*>(which == 0 ? this->second : this->first) + base;
    const A* grad = static_cast<const A*>(this->grad_output) + this->place(row, x, this->side() * this->side());
    A* out = static_cast<A*>(this->output) + base;
    for (int64 d = 0; d < this->side() * this->side(); ++d, grad += plane) {
      BilateralTaps<A> own, at;
      this->taps(own, row, x, count, d, own_scale());
      this->taps(at, row, x, count, d, static_cast<A>(which == 0 ? this->second_scale : this->first_scale));
      for (int i = 0; i < count; ++i) {
        if (own.mask[i] == A(0)) continue;
        for (int j = 0; j < 2; ++j) {
          const int line = own.v.index[j][i];
          if (line < low || line >= high) continue;
          for (int k = 0; k < 2; ++k) {
            const A share = grad[i] * own.v.weight[j][i] * own.h.weight[k][i];
            if (share == A(0)) continue;
            for (int64 c = 0; c < this->channels; ++c)
              add(out, c * plane + line + own.h.index[k][i], share * this->read(other + c * plane, at, i));
          }
        }
      }
    }
  }
};

template <class T, int>
struct BilateralCostVolumeGradMotion : BilateralBase<T> {
  using typename BilateralBase<T>::A;
  using BilateralBase<T>::BilateralBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 plane = this->plane();
    const int64 base = quotient(row, this->height) * this->channels * plane;
    const A* a = static_cast<const A*>(this->first) + base;
    const A* b = static_cast<const A*>(this->second) + base;
    const A* grad = static_cast<const A*>(this->grad_output) + this->place(row, x, this->side() * this->side());
    const A scale_a = static_cast<A>(this->first_scale), scale_b = static_cast<A>(this->second_scale);
    A grad_x[kLanes], grad_y[kLanes];
    for (int i = 0; i < count; ++i) grad_x[i] = grad_y[i] = 0;
    for (int64 d = 0; d < this->side() * this->side(); ++d, grad += plane) {
      BilateralTaps<A> at_a, at_b;
      this->taps(at_a, row, x, count, d, scale_a);
      this->taps(at_b, row, x, count, d, scale_b);
      for (int64 c = 0; c < this->channels; ++c)
        for (int i = 0; i < count; ++i) {
          const A value_a = this->read(a + c * plane, at_a, i), value_b = this->read(b + c * plane, at_b, i);
          A ax, ay, bx, by;
          slopes(a + c * plane, at_a, i, ax, ay);
          slopes(b + c * plane, at_b, i, bx, by);
          grad_x[i] += grad[i] * (ax * scale_a * value_b + value_a * bx * scale_b);
          grad_y[i] += grad[i] * (ay * scale_a * value_b + value_a * by * scale_b);
        }
    }
    A* out = static_cast<A*>(this->output) + this->place(row, x, 2);
    const A stretch_x = A(this->width) / A(this->width > 1 ? this->width - 1 : 1);
    const A stretch_y = A(this->height) / A(this->height > 1 ? this->height - 1 : 1);
    for (int i = 0; i < count; ++i) {
      out[i] = grad_x[i] * stretch_x;
      out[plane + i] = grad_y[i] * stretch_y;
    }
  }

 private:
  VSVFI_FN static void slopes(const A* map, const BilateralTaps<A>& at, int i, A& x, A& y) {
    const A nw = map[at.v.index[0][i] + at.h.index[0][i]], ne = map[at.v.index[0][i] + at.h.index[1][i]];
    const A sw = map[at.v.index[1][i] + at.h.index[0][i]], se = map[at.v.index[1][i] + at.h.index[1][i]];
    x = ((ne - nw) * at.v.weight[0][i] + (se - sw) * at.v.weight[1][i]) * at.mask[i];
    y = ((sw - nw) * at.h.weight[0][i] + (se - ne) * at.h.weight[1][i]) * at.mask[i];
  }
};

}  // namespace vsvfi
