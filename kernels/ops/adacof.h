// Adaptive collaboration of flows and its gradients.
#pragma once

#include "ops/kernel.h"

namespace vsvfi {

struct AdacofArguments {
  const void* image;        // (N, C, in_height, in_width) of T
  const void* weight;       // (N, size * size, H, W) of T
  const void* offset_y;     // (N, size * size, H, W) of Accumulator<T>
  const void* offset_x;     // (N, size * size, H, W) of Accumulator<T>
  const void* grad_output;  // (N, C, H, W) of T
  void* output;             // the result in T, or grad_image in Accumulator<T>
  void* grad_weight;        // (N, size * size, H, W) of Accumulator<T>
  void* grad_offset_y;      // likewise
  void* grad_offset_x;      // likewise
  int64 channels, in_height, in_width, height, width, size, dilation;
};

// One tap's four corners for every lane of a span: their indices in the image and the distances, which may be negative.
template <class A>
struct AdacofCorners {
  int row[2][kLanes], column[2][kLanes];
  A fy[kLanes], fx[kLanes];
};

template <class T>
struct AdacofBase : Planes<AdacofArguments> {
  using A = Accumulator<T>;
  using Planes<AdacofArguments>::Planes;

  VSVFI_FN int64 in_plane() const { return in_height * in_width; }
  VSVFI_FN int taps() const { return static_cast<int>(size * size); }
  // Offsets are split by truncation towards zero, as the published networks were trained; indices are clamped alone.
  VSVFI_FN void axis(const A* offset, int lane, int base, int64 length, int (*index)[kLanes], A* f) const {
    const A reach = A(2) * A(length);
    const A v = offset[lane] == offset[lane] ? limit(offset[lane], -reach, reach) : A(0);
    const int whole = static_cast<int>(v);
    f[lane] = v - A(whole);
    index[0][lane] = clamp_index(base + whole, static_cast<int>(length));
    index[1][lane] = clamp_index(base + whole + 1, static_cast<int>(length));
  }
  VSVFI_FN void corners(AdacofCorners<A>& at, int tap, int64 row, int x, int count) const {
    const int64 here = place(row, x, size * size) + tap * plane();
    const int y = static_cast<int>(remainder(row, height)) + tap / static_cast<int>(size) * static_cast<int>(dilation);
    const int left = x + tap % static_cast<int>(size) * static_cast<int>(dilation);
    const A* dy = static_cast<const A*>(offset_y) + here;
    const A* dx = static_cast<const A*>(offset_x) + here;
    for (int i = 0; i < count; ++i) {
      axis(dy, i, y, in_height, at.row, at.fy);
      axis(dx, i, left + i, in_width, at.column, at.fx);
    }
    for (int j = 0; j < 2; ++j)
      for (int i = 0; i < count; ++i) at.row[j][i] *= static_cast<int>(in_width);
  }
};

template <class T, int>
struct Adacof : AdacofBase<T> {
  using typename AdacofBase<T>::A;
  using AdacofBase<T>::AdacofBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const T* in = static_cast<const T*>(this->image) + quotient(row, this->height) * this->channels * this->in_plane();
    const T* weights = static_cast<const T*>(this->weight) + this->place(row, x, this->taps());
    T* out = static_cast<T*>(this->output) + this->place(row, x, this->channels);
    for (int64 c = 0; c < this->channels; c += kChannels) {
      const int chunk = static_cast<int>(this->channels - c < kChannels ? this->channels - c : kChannels);
      A sum[kChannels][kLanes];
      for (int k = 0; k < kChannels; ++k)
        for (int i = 0; i < count; ++i) sum[k][i] = 0;
      for (int tap = 0; tap < this->taps(); ++tap) {
        AdacofCorners<A> at;
        this->corners(at, tap, row, x, count);
        const T* values = weights + tap * this->plane();
        A w[4][kLanes];
        int index[4][kLanes];
        for (int i = 0; i < count; ++i) {
          const A scale = load(values, i);
          const A top = scale * (A(1) - at.fy[i]), bottom = scale * at.fy[i];
          w[0][i] = top * (A(1) - at.fx[i]);
          w[1][i] = top * at.fx[i];
          w[2][i] = bottom * (A(1) - at.fx[i]);
          w[3][i] = bottom * at.fx[i];
          for (int corner = 0; corner < 4; ++corner) index[corner][i] = at.row[corner / 2][i] + at.column[corner % 2][i];
        }
        for (int k = 0; k < kChannels; ++k) {
          if (k >= chunk) break;
          const T* p = in + (c + k) * this->in_plane();
          for (int i = 0; i < count; ++i)
            for (int corner = 0; corner < 4; ++corner)
              sum[k][i] = mad(w[corner][i], load(p, index[corner][i]), sum[k][i]);
        }
      }
      for (int k = 0; k < kChannels; ++k) {
        if (k >= chunk) break;
        for (int i = 0; i < count; ++i) store(out, (c + k) * this->plane() + i, sum[k][i]);
      }
    }
  }
};

// To the weights and the offsets.
template <class T, int>
struct AdacofGrad : AdacofBase<T> {
  using typename AdacofBase<T>::A;
  using AdacofBase<T>::AdacofBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const T* in = static_cast<const T*>(this->image) + quotient(row, this->height) * this->channels * this->in_plane();
    const T* grad = static_cast<const T*>(this->grad_output) + this->place(row, x, this->channels);
    const int64 here = this->place(row, x, this->taps());
    const T* weights = static_cast<const T*>(this->weight) + here;
    const A* offsets_y = static_cast<const A*>(this->offset_y) + here;
    const A* offsets_x = static_cast<const A*>(this->offset_x) + here;
    A* out_weight = static_cast<A*>(this->grad_weight) + here;
    A* out_y = static_cast<A*>(this->grad_offset_y) + here;
    A* out_x = static_cast<A*>(this->grad_offset_x) + here;
    for (int tap = 0; tap < this->taps(); ++tap) {
      AdacofCorners<A> at;
      this->corners(at, tap, row, x, count);
      for (int i = 0; i < count; ++i) {
        // The gradient's products with the image at the four corners.
        A product[4] = {0, 0, 0, 0};
        for (int64 c = 0; c < this->channels; ++c) {
          const A g = load(grad, c * this->plane() + i);
          for (int corner = 0; corner < 4; ++corner)
            product[corner] =
                mad(g, load(in + c * this->in_plane(), at.row[corner / 2][i] + at.column[corner % 2][i]), product[corner]);
        }
        const A fy = at.fy[i], fx = at.fx[i];
        const A top = product[0] * (A(1) - fx) + product[1] * fx, bottom = product[2] * (A(1) - fx) + product[3] * fx;
        const int64 o = tap * this->plane() + i;
        const A w = load(weights, o);
        out_weight[o] = top * (A(1) - fy) + bottom * fy;
        const A right = (product[1] - product[0]) * (A(1) - fy) + (product[3] - product[2]) * fy;
        out_y[o] = offsets_y[o] == offsets_y[o] ? w * (bottom - top) : A(0);  // NaN is a constant 0.
        out_x[o] = offsets_x[o] == offsets_x[o] ? w * right : A(0);
      }
    }
  }
};

template <class T, int>
struct AdacofGradImage : AdacofBase<T> {
  using typename AdacofBase<T>::A;
  using AdacofBase<T>::AdacofBase;

  VSVFI_FN Rows targets(int64 row, int x, int count) const {
    Rows reached;
    for (int tap = 0; tap < this->taps(); ++tap) {
      AdacofCorners<A> at;
      this->corners(at, tap, row, x, count);
      for (int i = 0; i < count; ++i)
        reached.add(at.row[0][i] / static_cast<int>(this->in_width), at.row[1][i] / static_cast<int>(this->in_width));
    }
    return reached;
  }

  VSVFI_FN void span(int64 row, int x, int count, int begin, int end) const {
    const int low = begin * static_cast<int>(this->in_width), high = end * static_cast<int>(this->in_width);
    A* out = static_cast<A*>(this->output) + quotient(row, this->height) * this->channels * this->in_plane();
    const T* grad = static_cast<const T*>(this->grad_output) + this->place(row, x, this->channels);
    const T* weights = static_cast<const T*>(this->weight) + this->place(row, x, this->taps());
    for (int tap = 0; tap < this->taps(); ++tap) {
      AdacofCorners<A> at;
      this->corners(at, tap, row, x, count);
      for (int i = 0; i < count; ++i) {
        const A w = load(weights, tap * this->plane() + i);
        for (int corner = 0; corner < 4; ++corner) {
          const int line = at.row[corner / 2][i];
          if (line < low || line >= high) continue;
          const A share = w * (corner / 2 ? at.fy[i] : A(1) - at.fy[i]) * (corner % 2 ? at.fx[i] : A(1) - at.fx[i]);
          for (int64 c = 0; c < this->channels; ++c)
            add(out, c * this->in_plane() + line + at.column[corner % 2][i], share * load(grad, c * this->plane() + i));
        }
      }
    }
  }
};

}  // namespace vsvfi
