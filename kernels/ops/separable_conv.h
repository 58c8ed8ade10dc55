// Separable local convolution and its gradients.
#pragma once

#include "ops/kernel.h"

namespace vsvfi {

struct SeparableArguments {
  const void* image;        // (N, C, H + vertical_taps - 1, W + horizontal_taps - 1) of T
  const void* vertical;     // (N, vertical_taps, H, W) of T
  const void* horizontal;   // (N, horizontal_taps, H, W) of T
  const void* grad_output;  // (N, C, H, W) of T
  void* output;             // the result in T, or a gradient in Accumulator<T>
  int64 channels, height, width, vertical_taps, horizontal_taps;
};

template <class T>
struct SeparableBase : Planes<SeparableArguments> {
  using A = Accumulator<T>;
  using Planes<SeparableArguments>::Planes;

  VSVFI_FN int64 in_height() const { return height + vertical_taps - 1; }
  VSVFI_FN int64 in_width() const { return width + horizontal_taps - 1; }
  VSVFI_FN int64 in_plane() const { return in_height() * in_width(); }
  // The image under the upper left tap of a span, in channel 0.
  VSVFI_FN const T* under(int64 row, int x) const {
    return static_cast<const T*>(image) + quotient(row, height) * channels * in_plane() +
           remainder(row, height) * in_width() + x;
  }

  // sum[i] += the product of `taps` kernel values (`kernel_step` apart) and image values (`step` apart).
  VSVFI_FN static void accumulate(A* sum, const T* in, int64 step, const T* kernel, int64 kernel_step, int taps, int count) {
    int t = 0;
    // Four at a time: the sums live in memory, and this is a quarter of the traffic.
    for (; t + 4 <= taps; t += 4, in += 4 * step, kernel += 4 * kernel_step)
      for (int i = 0; i < count; ++i) {
        A s = mad(load(in, i), load(kernel, i), sum[i]);
        s = mad(load(in, step + i), load(kernel, kernel_step + i), s);
        s = mad(load(in, 2 * step + i), load(kernel, 2 * kernel_step + i), s);
        sum[i] = mad(load(in, 3 * step + i), load(kernel, 3 * kernel_step + i), s);
      }
    for (; t < taps; ++t, in += step, kernel += kernel_step)
      for (int i = 0; i < count; ++i) sum[i] = mad(load(in, i), load(kernel, i), sum[i]);
  }
};

template <class T, int>
struct SeparableConv : SeparableBase<T> {
  using typename SeparableBase<T>::A;
  using SeparableBase<T>::SeparableBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const T* v = static_cast<const T*>(this->vertical) + this->place(row, x, this->vertical_taps);
    const T* h = static_cast<const T*>(this->horizontal) + this->place(row, x, this->horizontal_taps);
    T* out = static_cast<T*>(this->output) + this->place(row, x, this->channels);
    const T* in = this->under(row, x);
    for (int64 c = 0; c < this->channels; ++c, in += this->in_plane(), out += this->plane()) {
      A sum[kLanes], line[kLanes];
      for (int i = 0; i < count; ++i) sum[i] = 0;
      for (int64 j = 0; j < this->vertical_taps; ++j) {
        for (int i = 0; i < count; ++i) line[i] = 0;
        this->accumulate(line, in + j * this->in_width(), 1, h, this->plane(), static_cast<int>(this->horizontal_taps), count);
        for (int i = 0; i < count; ++i) sum[i] = mad(line[i], load(v, j * this->plane() + i), sum[i]);
      }
      for (int i = 0; i < count; ++i) store(out, i, sum[i]);
    }
  }
};

// To the vertical kernels (axis 0) or to the horizontal ones (axis 1).
template <class T, int axis>
struct SeparableConvGradKernel : SeparableBase<T> {
  using typename SeparableBase<T>::A;
  using SeparableBase<T>::SeparableBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 taps = axis == 0 ? this->vertical_taps : this->horizontal_taps;
    const int64 others = axis == 0 ? this->horizontal_taps : this->vertical_taps;
    const int64 step = axis == 0 ? this->in_width() : 1, other_step = axis == 0 ? 1 : this->in_width();
    const void* kernel = axis == 0 ? this->horizontal : this->vertical;
    const T* other = static_cast<const T*>(kernel) + this->place(row, x, others);
    const T* grad = static_cast<const T*>(this->grad_output) + this->place(row, x, this->channels);
    A* out = static_cast<A*>(this->output) + this->place(row, x, taps);
    const T* in = this->under(row, x);
    for (int64 t = 0; t < taps; ++t) {
      A sum[kLanes], line[kLanes];
      for (int i = 0; i < count; ++i) sum[i] = 0;
      for (int64 c = 0; c < this->channels; ++c) {
        for (int i = 0; i < count; ++i) line[i] = 0;
        this->accumulate(line, in + c * this->in_plane() + t * step, other_step, other, this->plane(),
                         static_cast<int>(others), count);
        for (int i = 0; i < count; ++i) sum[i] = mad(line[i], load(grad, c * this->plane() + i), sum[i]);
      }
      for (int i = 0; i < count; ++i) out[t * this->plane() + i] = sum[i];
    }
  }
};

// To the image: each of its pixels gathers from the outputs whose windows hold it. Rows and x count its pixels.
template <class T, int>
struct SeparableConvGradImage : SeparableBase<T> {
  using typename SeparableBase<T>::A;
  using SeparableBase<T>::SeparableBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 sample = quotient(row, this->in_height()), in_y = remainder(row, this->in_height());
    const int64 plane = this->plane();
    const T* v = static_cast<const T*>(this->vertical) + sample * this->vertical_taps * plane;
    const T* h = static_cast<const T*>(this->horizontal) + sample * this->horizontal_taps * plane;
    const T* grad = static_cast<const T*>(this->grad_output) + sample * this->channels * plane;
    A* out = static_cast<A*>(this->output) + sample * this->channels * this->in_plane() + in_y * this->in_width() + x;
    for (int64 c = 0; c < this->channels; ++c, grad += plane, out += this->in_plane()) {
      A sum[kLanes];
      for (int i = 0; i < count; ++i) sum[i] = 0;
      for (int64 j = 0; j < this->vertical_taps; ++j) {
        const int64 y = in_y - j;
        if (y < 0 || y >= this->height) continue;
        for (int tap = 0; tap < static_cast<int>(this->horizontal_taps); ++tap) {
          const int first = larger(0, tap - x), last = smaller(count, static_cast<int>(this->width) + tap - x);
          const int64 at = y * this->width + x - tap;
          for (int i = first; i < last; ++i)
            sum[i] = mad(load(v, j * plane + at + i) * load(h, tap * plane + at + i), load(grad, at + i), sum[i]);
        }
      }
      for (int i = 0; i < count; ++i) out[i] = sum[i];
    }
  }
};

}  // namespace vsvfi
