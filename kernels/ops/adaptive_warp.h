// MEMC-Net's adaptive warping layer and its gradients. The variant is the window's side, or 0 for any.
#pragma once

#include "ops/kernel.h"

namespace vsvfi {

struct AdaptiveWarpArguments {
  const void* image;        // (N, C, H, W) of T
  const void* flow;         // (N, 2, H, W) of Accumulator<T>
  const void* kernels;      // (N, size * size, H, W) of T
  const void* grad_output;  // (N, C, H, W) of T
  void* output;             // the warped image, or grad_flow or grad_image in Accumulator<T>
  void* grad_kernels;       // (N, size * size, H, W) of Accumulator<T>
  int64 channels, height, width, size;
};

// Where the pixels of a span land: the pixel on the upper left, the distances to it, and whether that counts.
template <class A>
struct Landing {
  int left[kLanes], top[kLanes];
  A alpha[kLanes], beta[kLanes];
  bool valid[kLanes];
};

template <class T, int fixed_size>
struct AdaptiveWarpBase : Planes<AdaptiveWarpArguments> {
  using A = Accumulator<T>;
  using Planes<AdaptiveWarpArguments>::Planes;

  VSVFI_FN int side() const { return fixed_size > 0 ? fixed_size : static_cast<int>(size); }
  VSVFI_FN void land(Landing<A>& at, int64 row, int x, int count) const {
    const A* fx = static_cast<const A*>(flow) + place(row, x, 2);
    const A* fy = fx + plane();
    const A half_width = A(width) / A(2), half_height = A(height) / A(2);
    const A right = A(width - 1), bottom = A(height - 1), y = A(remainder(row, height));
    for (int i = 0; i < count; ++i) {
      const A u = fx[i], v = fy[i];
      const A target_x = A(x + i) + u, target_y = y + v;
      const bool good = (target_x >= A(0)) & (target_y >= A(0)) & (target_x <= right) & (target_y <= bottom) &
                        (u < half_width) & (u > -half_width) & (v < half_height) & (v > -half_height);
      const A safe_x = good ? target_x : A(0), safe_y = good ? target_y : A(0);
      at.valid[i] = good;
      at.left[i] = static_cast<int>(safe_x);
      at.top[i] = static_cast<int>(safe_y);
      at.alpha[i] = safe_x - A(at.left[i]);
      at.beta[i] = safe_y - A(at.top[i]);
    }
  }

  // Calls visit(tap, lane, index in the image, bilinear weight, its derivatives in x and y) for the window's taps.
  template <class Visit>
  VSVFI_FN void visit(const Landing<A>& at, int count, Visit&& visit) const {
    const int first = 1 - side() / 2;
    const int w = static_cast<int>(width), h = static_cast<int>(height);
    for (int j = 0; j < side(); ++j) {
      const int dy = first + j;
      for (int k = 0; k < side(); ++k) {
        const int dx = first + k;
        for (int i = 0; i < count; ++i) {
          const A wx = dx <= 0 ? A(1) - at.alpha[i] : at.alpha[i], wy = dy <= 0 ? A(1) - at.beta[i] : at.beta[i];
          const int index = clamp_index(at.top[i] + dy, h) * w + clamp_index(at.left[i] + dx, w);
          visit(j * side() + k, i, index, wx * wy, dx <= 0 ? -wy : wy, dy <= 0 ? -wx : wx);
        }
      }
    }
  }
};

template <class T, int fixed_size>
struct AdaptiveWarp : AdaptiveWarpBase<T, fixed_size> {
  using Base = AdaptiveWarpBase<T, fixed_size>;
  using typename Base::A;
  using Base::Base;

  VSVFI_FN void span(int64 row, int x, int count) const {
    Landing<A> at;
    this->land(at, row, x, count);
    const T* taps = static_cast<const T*>(this->kernels) + this->place(row, x, this->side() * this->side());
    const T* in = static_cast<const T*>(this->image) + this->sample(row) * this->channels * this->plane();
    const int64 here = this->place(row, x, this->channels);
    T* out = static_cast<T*>(this->output) + here;
    const T* same = static_cast<const T*>(this->image) + here;
    for (int64 c = 0; c < this->channels; c += kChannels) {
      const int chunk = static_cast<int>(this->channels - c < kChannels ? this->channels - c : kChannels);
      A sum[kChannels][kLanes];
      for (int k = 0; k < kChannels; ++k)
        for (int i = 0; i < count; ++i) sum[k][i] = 0;
      int index[kLanes];
      A weight[kLanes];
      const int side = this->side(), first = 1 - side / 2;
      const int w = static_cast<int>(this->width), h = static_cast<int>(this->height);
      for (int tap = 0; tap < side * side; ++tap) {
        const int dy = first + tap / side, dx = first + tap % side;
        const T* values = taps + tap * this->plane();
        for (int i = 0; i < count; ++i) {
          const A wx = dx <= 0 ? A(1) - at.alpha[i] : at.alpha[i], wy = dy <= 0 ? A(1) - at.beta[i] : at.beta[i];
          index[i] = clamp_index(at.top[i] + dy, h) * w + clamp_index(at.left[i] + dx, w);
          weight[i] = wx * wy * load(values, i);
        }
        for (int k = 0; k < kChannels; ++k) {
          if (k >= chunk) break;
          const T* p = in + (c + k) * this->plane();
          for (int i = 0; i < count; ++i) sum[k][i] = mad(weight[i], load(p, index[i]), sum[k][i]);
        }
      }
      for (int k = 0; k < kChannels; ++k) {
        if (k >= chunk) break;
        const int64 offset = (c + k) * this->plane();
        for (int i = 0; i < count; ++i) store(out, offset + i, at.valid[i] ? sum[k][i] : load(same, offset + i));
      }
    }
  }
};

// To the flow and to the kernels at once: both need the products of the gradient and the image.
template <class T, int fixed_size>
struct AdaptiveWarpGradKernels : AdaptiveWarpBase<T, fixed_size> {
  using Base = AdaptiveWarpBase<T, fixed_size>;
  using typename Base::A;
  using Base::Base;

  VSVFI_FN void span(int64 row, int x, int count) const {
    Landing<A> at;
    this->land(at, row, x, count);
    const int64 plane = this->plane();
    const int64 taps_place = this->place(row, x, this->side() * this->side());
    const T* taps = static_cast<const T*>(this->kernels) + taps_place;
    A* out = static_cast<A*>(this->grad_kernels) + taps_place;
    const T* in = static_cast<const T*>(this->image) + this->sample(row) * this->channels * plane;
    const T* grad = static_cast<const T*>(this->grad_output) + this->place(row, x, this->channels);
    A grad_x[kLanes], grad_y[kLanes];
    for (int i = 0; i < count; ++i) grad_x[i] = grad_y[i] = 0;
    this->visit(at, count, [&](int tap, int i, int index, A weight, A slope_x, A slope_y) {
      A product = 0;
      for (int64 c = 0; c < this->channels; ++c)
        product = mad(load(grad, c * plane + i), load(in, c * plane + index), product);
      if (!at.valid[i]) product = 0;
      out[tap * plane + i] = product * weight;
      const A scaled = product * load(taps, tap * plane + i);
      grad_x[i] = mad(scaled, slope_x, grad_x[i]);
      grad_y[i] = mad(scaled, slope_y, grad_y[i]);
    });
    A* out_flow = static_cast<A*>(this->output) + this->place(row, x, 2);
    for (int i = 0; i < count; ++i) {
      out_flow[i] = grad_x[i];
      out_flow[plane + i] = grad_y[i];
    }
  }
};

template <class T, int fixed_size>
struct AdaptiveWarpGradImage : AdaptiveWarpBase<T, fixed_size> {
  using Base = AdaptiveWarpBase<T, fixed_size>;
  using typename Base::A;
  using Base::Base;

  VSVFI_FN Rows targets(int64 row, int x, int count) const {
    Rows reached;
    Landing<A> at;
    this->land(at, row, x, count);
    const int offset = 1 - this->side() / 2, h = static_cast<int>(this->height);
    for (int i = 0; i < count; ++i) {
      if (!at.valid[i]) continue;
      reached.add(clamp_index(at.top[i] + offset, h), clamp_index(at.top[i] + offset + this->side() - 1, h));
    }
    return reached;
  }

  VSVFI_FN void span(int64 row, int x, int count, int begin, int end) const {
    Landing<A> at;
    this->land(at, row, x, count);
    const int64 plane = this->plane();
    const int low = begin * static_cast<int>(this->width), high = end * static_cast<int>(this->width);
    const T* taps = static_cast<const T*>(this->kernels) + this->place(row, x, this->side() * this->side());
    const T* grad = static_cast<const T*>(this->grad_output) + this->place(row, x, this->channels);
    A* out = static_cast<A*>(this->output) + this->sample(row) * this->channels * plane;
    this->visit(at, count, [&](int tap, int i, int index, A weight, A, A) {
      if (!at.valid[i] || index < low || index >= high) return;
      const A scaled = weight * load(taps, tap * plane + i);
      for (int64 c = 0; c < this->channels; ++c) add(out, c * plane + index, scaled * load(grad, c * plane + i));
    });
  }
};

}  // namespace vsvfi
