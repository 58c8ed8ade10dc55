// Local correlation of two feature maps and its gradients.
#pragma once

#include "ops/kernel.h"

namespace vsvfi {

struct CorrelationArguments {
  const void* first;        // (N, C, H, W) of T
  const void* second;       // (N, C, H, W) of T
  const void* grad_output;  // (N, (2 * steps + 1)^2, H + 2 * margin, W + 2 * margin) of T
  void* output;             // the result in T, or a gradient in Accumulator<T>
  int64 channels, height, width;
  int64 steps, stride;  // displacements are -steps * stride, ..., steps * stride
  int64 margin;         // how far the output reaches beyond the maps
};

template <class T>
struct CorrelationBase : CorrelationArguments {
  using A = Accumulator<T>;
  using Arguments = CorrelationArguments;

  VSVFI_FN explicit CorrelationBase(const CorrelationArguments& arguments) : CorrelationArguments(arguments) {}

  VSVFI_FN int64 plane() const { return height * width; }
  VSVFI_FN int64 out_height() const { return height + 2 * margin; }
  VSVFI_FN int64 out_width() const { return width + 2 * margin; }
  VSVFI_FN int64 out_plane() const { return out_height() * out_width(); }
  VSVFI_FN int64 side() const { return 2 * steps + 1; }
};

template <class T, int>
struct Correlation : CorrelationBase<T> {
  using typename CorrelationBase<T>::A;
  using CorrelationBase<T>::CorrelationBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 sample = quotient(row, this->out_height()), out_y = remainder(row, this->out_height());
    const int64 y = out_y - this->margin, plane = this->plane();
    const int left = x - static_cast<int>(this->margin), width = static_cast<int>(this->width);
    const T* a = static_cast<const T*>(this->first) + sample * this->channels * plane;
    const T* b = static_cast<const T*>(this->second) + sample * this->channels * plane;
    const int64 own = y * this->width + left;  // May lie outside; an index does, a pointer must not.
    T* out = static_cast<T*>(this->output) + sample * this->side() * this->side() * this->out_plane() +
             out_y * this->out_width() + x;
    const A scale = A(1) / A(this->channels);
    for (int64 tj = 0; tj < this->side(); ++tj) {
      const int64 other_y = y + (tj - this->steps) * this->stride;
      const bool good = y >= 0 && y < this->height && other_y >= 0 && other_y < this->height;
      for (int64 ti = 0; ti < this->side(); ++ti, out += this->out_plane()) {
        const int dx = static_cast<int>((ti - this->steps) * this->stride);
        const int first = larger(0, larger(-left, -left - dx));
        const int last = good ? smaller(count, smaller(width - left, width - left - dx)) : 0;
        A sum[kLanes];
        for (int i = 0; i < count; ++i) sum[i] = 0;
        const int64 other = other_y * this->width + left + dx;
        int64 c = 0;
        for (; c + 4 <= this->channels; c += 4)
          for (int i = first; i < last; ++i) {
            const int64 at_a = c * plane + own + i, at_b = c * plane + other + i;
            A s = mad(load(a, at_a), load(b, at_b), sum[i]);
            s = mad(load(a, at_a + plane), load(b, at_b + plane), s);
            s = mad(load(a, at_a + 2 * plane), load(b, at_b + 2 * plane), s);
            sum[i] = mad(load(a, at_a + 3 * plane), load(b, at_b + 3 * plane), s);
          }
        for (; c < this->channels; ++c)
          for (int i = first; i < last; ++i)
            sum[i] = mad(load(a, c * plane + own + i), load(b, c * plane + other + i), sum[i]);
        for (int i = 0; i < count; ++i) store(out, i, sum[i] * scale);
      }
    }
  }
};

// To the first map (variant 0) or to the second (variant 1).
template <class T, int which>
struct CorrelationGrad : CorrelationBase<T> {
  using typename CorrelationBase<T>::A;
  using CorrelationBase<T>::CorrelationBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 sample = quotient(row, this->height), y = remainder(row, this->height), plane = this->plane();
    const int width = static_cast<int>(this->width);
    const T* maps = static_cast<const T*>(which == 0 ? this->second : this->first) + sample * this->channels * plane;
    const T* grads = static_cast<const T*>(this->grad_output) + sample * this->side() * this->side() * this->out_plane();
    A* out = static_cast<A*>(this->output) + sample * this->channels * plane + y * this->width + x;
    const A scale = A(1) / A(this->channels);
    for (int64 c = 0; c < this->channels; c += kChannels) {
      const int chunk = static_cast<int>(this->channels - c < kChannels ? this->channels - c : kChannels);
      A sum[kChannels][kLanes];
      for (int k = 0; k < kChannels; ++k)
        for (int i = 0; i < count; ++i) sum[k][i] = 0;
      for (int64 d = 0; d < this->side() * this->side(); ++d) {
        const int64 dy = (d / this->side() - this->steps) * this->stride;
        const int dx = static_cast<int>((d % this->side() - this->steps) * this->stride);
        // The other map's pixel; the gradient lies at the first map's.
        const int64 other_y = which == 0 ? y + dy : y - dy;
        const int other_x = which == 0 ? x + dx : x - dx;
        if (other_y < 0 || other_y >= this->height) continue;
        const int64 grad_y = (which == 0 ? y : other_y) + this->margin, grad_x = (which == 0 ? x : other_x) + this->margin;
        const int64 grad = d * this->out_plane() + grad_y * this->out_width() + grad_x;
        const int64 other = c * plane + other_y * this->width + other_x;
        const int first = larger(0, -other_x), last = smaller(count, width - other_x);
        for (int k = 0; k < kChannels; ++k) {
          if (k >= chunk) break;
          for (int i = first; i < last; ++i)
            sum[k][i] = mad(load(grads, grad + i), load(maps, other + k * plane + i), sum[k][i]);
        }
      }
      for (int k = 0; k < kChannels; ++k) {
        if (k >= chunk) break;
        for (int i = 0; i < count; ++i) out[(c + k) * plane + i] = sum[k][i] * scale;
      }
    }
  }
};

}  // namespace vsvfi
