// Backward warping, bilinear (2 taps an axis) and bicubic (4), and its gradients.
#pragma once

#include "ops/kernel.h"

namespace vsvfi {

struct WarpArguments {
  const void* image;        // (N, C, in_height, in_width) of T
  const void* flow;         // (N, 2, height, width) of Accumulator<T>
  const void* grad_output;  // (N, C, height, width) of T
  void* output;             // the warped image, or a gradient in Accumulator<T>
  int64 channels, in_height, in_width, height, width;
  int64 zeros;    // 1: nothing outside the image; 0: its border pixels repeated
  int64 aligned;  // 1: exact pixel positions; 0: see warp_position
};

// A grid normalised by size - 1 and sampled as if by size reads here, where exact sampling would read at v.
template <class A>
VSVFI_FN A warp_position(A v, int size, bool aligned) {
  const A stretch = static_cast<A>(size) / static_cast<A>(larger(size - 1, 1));
  return aligned ? v : v * stretch - static_cast<A>(0.5);
}

// The taps around positions along one axis: their indices inside the image and their weights.
template <class A, int taps>
struct AxisTaps {
  int index[taps][kLanes];
  A weight[taps][kLanes];

  // The weights are those of the samples' derivative along this axis where `slope` is set.
  VSVFI_FN void set(int lane, A at, int size, bool zeros, bool slope) {
    at = position(at, size, 3);
    const int first = floor_index(at);
    const A f = at - static_cast<A>(first);
    A w[taps];
    weigh(w, f, slope);
    for (int k = 0; k < taps; ++k) {
      const int i = first + k - (taps / 2 - 1);
      index[k][lane] = clamp_index(i, size);
      weight[k][lane] = zeros && !within(i, size) ? A(0) : w[k];
    }
  }

 private:
  static VSVFI_FN void weigh(A* w, A f, bool slope) {
    if (taps == 2) {
      w[0] = slope ? A(-1) : A(1) - f;
      w[taps - 1] = slope ? A(1) : f;
      return;
    }
    // Keys' cubic convolution with a = -0.75: near is the kernel up to a distance of 1, far beyond.
    const A a = A(-0.75);
    const A g = A(1) - f, f1 = f + A(1), g1 = g + A(1);
    if (slope) {
      w[0] = (A(3) * a * f1 - A(10) * a) * f1 + A(8) * a;
      w[taps / 3] = (A(3) * (a + A(2)) * f - A(2) * (a + A(3))) * f;
      w[taps / 2] = -(A(3) * (a + A(2)) * g - A(2) * (a + A(3))) * g;
      w[taps - 1] = -((A(3) * a * g1 - A(10) * a) * g1 + A(8) * a);
    } else {
      w[0] = ((a * f1 - A(5) * a) * f1 + A(8) * a) * f1 - A(4) * a;
      w[taps / 3] = ((a + A(2)) * f - (a + A(3))) * f * f + A(1);
      w[taps / 2] = ((a + A(2)) * g - (a + A(3))) * g * g + A(1);
      w[taps - 1] = ((a * g1 - A(5) * a) * g1 + A(8) * a) * g1 - A(4) * a;
    }
  }
};

// What the three kernels share: where the pixels of a span are read.
template <class T, int taps>
struct WarpBase : Planes<WarpArguments> {
  using A = Accumulator<T>;
  using Planes<WarpArguments>::Planes;

  VSVFI_FN int64 in_plane() const { return in_height * in_width; }

  VSVFI_FN A at_x(int64 row, int x, int i) const {
    const A* fx = static_cast<const A*>(flow) + place(row, x, 2);
    return warp_position(static_cast<A>(x + i) + fx[i], static_cast<int>(in_width), aligned != 0);
  }
  VSVFI_FN A at_y(int64 row, int x, int i) const {
    const A* fy = static_cast<const A*>(flow) + place(row, x, 2) + plane();
    return warp_position(static_cast<A>(remainder(row, height)) + fy[i], static_cast<int>(in_height), aligned != 0);
  }
  VSVFI_FN void taps_x(AxisTaps<A, taps>& axis, int64 row, int x, int count, bool slope = false) const {
    for (int i = 0; i < count; ++i) axis.set(i, at_x(row, x, i), static_cast<int>(in_width), zeros != 0, slope);
  }
  VSVFI_FN void taps_y(AxisTaps<A, taps>& axis, int64 row, int x, int count, bool slope = false) const {
    for (int i = 0; i < count; ++i) axis.set(i, at_y(row, x, i), static_cast<int>(in_height), zeros != 0, slope);
    for (int k = 0; k < taps; ++k)
      for (int i = 0; i < count; ++i) axis.index[k][i] *= static_cast<int>(in_width);
  }
  VSVFI_FN static A read(const T* image, const AxisTaps<A, taps>& h, const AxisTaps<A, taps>& v, int i) {
    return read(image, h, v, i, h.weight, v.weight);
  }
  VSVFI_FN static A read(const T* image, const AxisTaps<A, taps>& h, const AxisTaps<A, taps>& v, int i,
                         const A (*weight_x)[kLanes], const A (*weight_y)[kLanes]) {
    A sum = 0;
    for (int j = 0; j < taps; ++j) {
      A line = 0;
      for (int k = 0; k < taps; ++k) line = mad(load(image, v.index[j][i] + h.index[k][i]), weight_x[k][i], line);
      sum = mad(line, weight_y[j][i], sum);
    }
    return sum;
  }
};

template <class T, int taps>
struct BackwardWarp : WarpBase<T, taps> {
  using Base = WarpBase<T, taps>;
  using typename Base::A;
  using Base::Base;

  VSVFI_FN void span(int64 row, int x, int count) const {
    AxisTaps<A, taps> h, v;
    this->taps_x(h, row, x, count);
    this->taps_y(v, row, x, count);
    const T* in = static_cast<const T*>(this->image) + this->sample(row) * this->channels * this->in_plane();
    T* out = static_cast<T*>(this->output) + this->place(row, x, this->channels);
    for (int64 c = 0; c < this->channels; ++c, in += this->in_plane(), out += this->plane())
      for (int i = 0; i < count; ++i) store(out, i, Base::read(in, h, v, i));
  }
};

template <class T, int taps>
struct BackwardWarpGradFlow : WarpBase<T, taps> {
  using Base = WarpBase<T, taps>;
  using typename Base::A;
  using Base::Base;

  VSVFI_FN void span(int64 row, int x, int count) const {
    AxisTaps<A, taps> h, v, slope_h, slope_v;
    this->taps_x(h, row, x, count);
    this->taps_y(v, row, x, count);
    this->taps_x(slope_h, row, x, count, true);
    this->taps_y(slope_v, row, x, count, true);
    A grad_x[kLanes], grad_y[kLanes];
    for (int i = 0; i < count; ++i) grad_x[i] = grad_y[i] = 0;
    const T* in = static_cast<const T*>(this->image) + this->sample(row) * this->channels * this->in_plane();
    const int64 offset = this->place(row, x, this->channels);
    const T* grad = static_cast<const T*>(this->grad_output) + offset;
    for (int64 c = 0; c < this->channels; ++c, in += this->in_plane(), grad += this->plane())
      for (int i = 0; i < count; ++i) {
        grad_x[i] = mad(load(grad, i), Base::read(in, h, v, i, slope_h.weight, v.weight), grad_x[i]);
        grad_y[i] = mad(load(grad, i), Base::read(in, h, v, i, h.weight, slope_v.weight), grad_y[i]);
      }
    const A stretch_x = this->aligned ? A(1) : A(this->in_width) / A(this->in_width > 1 ? this->in_width - 1 : 1);
    const A stretch_y = this->aligned ? A(1) : A(this->in_height) / A(this->in_height > 1 ? this->in_height - 1 : 1);
    A* out = static_cast<A*>(this->output) + this->place(row, x, 2);
    for (int i = 0; i < count; ++i) {
      out[i] = grad_x[i] * stretch_x;
      out[this->plane() + i] = grad_y[i] * stretch_y;
    }
  }
};

template <class T, int taps>
struct BackwardWarpGradImage : WarpBase<T, taps> {
  using Base = WarpBase<T, taps>;
  using typename Base::A;
  using Base::Base;

  VSVFI_FN Rows targets(int64 row, int x, int count) const {
    Rows reached;
    for (int i = 0; i < count; ++i) {
      const int in_height = static_cast<int>(this->in_height);
      const int y = floor_index(position(this->at_y(row, x, i), in_height, 3));
      reached.add(clamp_index(y - (taps / 2 - 1), in_height), clamp_index(y + taps / 2, in_height));
    }
    return reached;
  }

  VSVFI_FN void span(int64 row, int x, int count, int begin, int end) const {
    AxisTaps<A, taps> h, v;
    this->taps_x(h, row, x, count);
    this->taps_y(v, row, x, count);
    const int low = begin * static_cast<int>(this->in_width), high = end * static_cast<int>(this->in_width);
    A* out = static_cast<A*>(this->output) + this->sample(row) * this->channels * this->in_plane();
    const int64 offset = this->place(row, x, this->channels);
    const T* grad = static_cast<const T*>(this->grad_output) + offset;
    for (int64 c = 0; c < this->channels; ++c, out += this->in_plane(), grad += this->plane())
      for (int i = 0; i < count; ++i)
        for (int j = 0; j < taps; ++j) {
          const int line = v.index[j][i];
          if (line < low || line >= high || v.weight[j][i] == A(0)) continue;
          const A g = load(grad, i) * v.weight[j][i];
          for (int k = 0; k < taps; ++k)
            if (h.weight[k][i] != A(0)) add(out, line + h.index[k][i], g * h.weight[k][i]);
        }
  }
};

}  // namespace vsvfi
