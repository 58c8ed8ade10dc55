// Modulated deformable convolution: the columns that a matrix product turns into the output, and its gradients.
// One sample and some of its output rows at a time, so that the columns need not fit memory at once.
#pragma once

#include "ops/kernel.h"

namespace vsvfi {

struct DeformArguments {
  const void* image;       // (C, H, W) of T
  const void* offset;      // (groups * 2 * taps, out_height, out_width) of Accumulator<T>
  const void* mask;        // (groups * taps, out_height, out_width) of Accumulator<T>
  void* columns;           // (C * taps, rows, out_width) of T: the samples, or their gradients
  void* grad_image;        // (C, H, W) of Accumulator<T>
  void* grad_offset;       // like offset
  void* grad_mask;         // like mask
  int64 channels, height, width, out_height, out_width;
  int64 first_row, rows;  // the output rows of this call
  int64 kernel_height, kernel_width, groups, stride, padding, dilation;
};

template <class A>
struct DeformCorners {
  int row[2][kLanes], column[2][kLanes];
  A f[kLanes], g[kLanes];  // distances in x and y
  bool valid[kLanes];
};

template <class T>
struct DeformBase : DeformArguments {
  using A = Accumulator<T>;
  using Arguments = DeformArguments;

  VSVFI_FN explicit DeformBase(const DeformArguments& arguments) : DeformArguments(arguments) {}

  VSVFI_FN int taps() const { return static_cast<int>(kernel_height * kernel_width); }
  VSVFI_FN int64 plane() const { return height * width; }
  VSVFI_FN int64 out_plane() const { return out_height * out_width; }
  VSVFI_FN int64 place(int64 row, int x) const { return (first_row + row) * out_width + x; }
  VSVFI_FN int64 group_channels() const { return channels / groups; }

  // A span's place in the y offsets of a tap (those in x are a plane further), in its mask, and in its columns.
  VSVFI_FN int64 offset_place(int64 row, int x, int64 group, int tap) const {
    return (group * taps() + tap) * 2 * out_plane() + place(row, x);
  }
  VSVFI_FN int64 mask_place(int64 row, int x, int64 group, int tap) const {
    return (group * taps() + tap) * out_plane() + place(row, x);
  }
  VSVFI_FN int64 column_place(int64 row, int x, int64 channel, int tap) const {
    return ((channel * taps() + tap) * rows + row) * out_width + x;
  }

  VSVFI_FN void corners(DeformCorners<A>& at, int64 row, int x, int count, int64 group, int tap) const {
    const A* dy = static_cast<const A*>(offset) + offset_place(row, x, group, tap);
    const A* dx = dy + out_plane();
    const A y = A((first_row + row) * stride - padding + tap / kernel_width * dilation);
    const A left = A(x * stride - padding + tap % kernel_width * dilation);
    for (int i = 0; i < count; ++i) {
      const A at_y = y + dy[i], at_x = left + A(i * stride) + dx[i];
      const bool good = (at_y > A(-1)) & (at_x > A(-1)) & (at_y < A(height)) & (at_x < A(width));
      const A safe_y = good ? at_y : A(0), safe_x = good ? at_x : A(0);
      at.valid[i] = good;
      at.row[0][i] = floor_index(safe_y);
      at.column[0][i] = floor_index(safe_x);
      at.g[i] = safe_y - A(at.row[0][i]);
      at.f[i] = safe_x - A(at.column[0][i]);
      at.row[1][i] = at.row[0][i] + 1;
      at.column[1][i] = at.column[0][i] + 1;
    }
  }
  // Calls visit(corners, group, tap) for every tap of a span.
  template <class Visit>
  VSVFI_FN void visit(int64 row, int x, int count, Visit&& visit) const {
    DeformCorners<A> at;
    for (int64 group = 0; group < groups; ++group)
      for (int tap = 0; tap < taps(); ++tap) {
        corners(at, row, x, count, group, tap);
        visit(at, group, tap);
      }
  }
  // Whether a corner is inside the image.
  VSVFI_FN bool inside(const DeformCorners<A>& at, int j, int k, int i) const {
    return at.valid[i] && within(at.row[j][i], static_cast<int>(height)) && within(at.column[k][i], static_cast<int>(width));
  }
  VSVFI_FN int index(const DeformCorners<A>& at, int j, int k, int i) const {
    return clamp_index(at.row[j][i], static_cast<int>(height)) * static_cast<int>(width) +
           clamp_index(at.column[k][i], static_cast<int>(width));
  }
  VSVFI_FN static A weight(const DeformCorners<A>& at, int j, int k, int i) {
    return (j ? at.g[i] : A(1) - at.g[i]) * (k ? at.f[i] : A(1) - at.f[i]);
  }
};

template <class T, int>
struct DeformConv2dColumns : DeformBase<T> {
  using typename DeformBase<T>::A;
  using DeformBase<T>::DeformBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    this->visit(row, x, count, [&](const DeformCorners<A>& at, int64 group, int tap) {
      const A* mask = static_cast<const A*>(this->mask) + this->mask_place(row, x, group, tap);
      int index[4][kLanes];
      A weights[4][kLanes];
      for (int corner = 0; corner < 4; ++corner)
        for (int i = 0; i < count; ++i) {
          index[corner][i] = this->index(at, corner / 2, corner % 2, i);
          const bool inside = this->inside(at, corner / 2, corner % 2, i);
          weights[corner][i] = inside ? this->weight(at, corner / 2, corner % 2, i) * mask[i] : A(0);
        }
      const int64 first = group * this->group_channels();
      for (int64 c = first; c < first + this->group_channels(); ++c) {
        const T* in = static_cast<const T*>(this->image) + c * this->plane();
        T* out = static_cast<T*>(this->columns) + this->column_place(row, x, c, tap);
        for (int i = 0; i < count; ++i) {
          A sum = 0;
          for (int corner = 0; corner < 4; ++corner) sum = mad(weights[corner][i], load(in, index[corner][i]), sum);
          store(out, i, sum);
        }
      }
    });
  }
};

// From the columns' gradient to the offsets and masks.
template <class T, int>
struct DeformConv2dGradOffset : DeformBase<T> {
  using typename DeformBase<T>::A;
  using DeformBase<T>::DeformBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    this->visit(row, x, count, [&](const DeformCorners<A>& at, int64 group, int tap) {
      const int64 mask_place = this->mask_place(row, x, group, tap);
      const A* mask = static_cast<const A*>(this->mask) + mask_place;
      A* out_mask = static_cast<A*>(this->grad_mask) + mask_place;
      A* out = static_cast<A*>(this->grad_offset) + this->offset_place(row, x, group, tap);
      const int64 first = group * this->group_channels();
      for (int i = 0; i < count; ++i) {
        A product[4] = {0, 0, 0, 0};  // The gradient's products with the image at the four corners.
        for (int64 c = first; c < first + this->group_channels(); ++c) {
          const T* in = static_cast<const T*>(this->image) + c * this->plane();
          const A grad = load(static_cast<const T*>(this->columns), this->column_place(row, x + i, c, tap));
          for (int corner = 0; corner < 4; ++corner)
            if (this->inside(at, corner / 2, corner % 2, i))
              product[corner] = mad(grad, load(in, this->index(at, corner / 2, corner % 2, i)), product[corner]);
        }
        const A f = at.f[i], g = at.g[i];
        const A top = product[0] * (A(1) - f) + product[1] * f, bottom = product[2] * (A(1) - f) + product[3] * f;
        out_mask[i] = top * (A(1) - g) + bottom * g;
        out[i] = (bottom - top) * mask[i];
        out[this->out_plane() + i] = ((product[1] - product[0]) * (A(1) - g) + (product[3] - product[2]) * g) * mask[i];
      }
    });
  }
};

// From the columns' gradient to the image.
template <class T, int>
struct DeformConv2dGradImage : DeformBase<T> {
  using typename DeformBase<T>::A;
  using DeformBase<T>::DeformBase;

  VSVFI_FN Rows targets(int64 row, int x, int count) const {
    Rows reached;
    const int bottom = static_cast<int>(this->height) - 1;
    this->visit(row, x, count, [&](const DeformCorners<A>& at, int64, int) {
      for (int i = 0; i < count; ++i)
        if (at.valid[i]) reached.add(larger(at.row[0][i], 0), smaller(at.row[1][i], bottom));
    });
    return reached;
  }

  VSVFI_FN void span(int64 row, int x, int count, int begin, int end) const {
    this->visit(row, x, count, [&](const DeformCorners<A>& at, int64 group, int tap) {
      const A* mask = static_cast<const A*>(this->mask) + this->mask_place(row, x, group, tap);
      const int64 first = group * this->group_channels();
      for (int i = 0; i < count; ++i)
        for (int corner = 0; corner < 4; ++corner) {
          const int j = corner / 2, k = corner % 2;
          if (!this->inside(at, j, k, i) || at.row[j][i] < begin || at.row[j][i] >= end) continue;
          const A share = this->weight(at, j, k, i) * mask[i];
          const int index = this->index(at, j, k, i);
          for (int64 c = first; c < first + this->group_channels(); ++c) {
            const A grad = load(static_cast<const T*>(this->columns), this->column_place(row, x + i, c, tap));
            add(static_cast<A*>(this->grad_image), c * this->plane() + index, share * grad);
          }
        }
    });
  }
};

}  // namespace vsvfi
