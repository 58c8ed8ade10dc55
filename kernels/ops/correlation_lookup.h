// RAFT's look-up in one level of an all-pairs correlation, and its gradients.
#pragma once

#include "ops/kernel.h"

namespace vsvfi {

struct LookupArguments {
  const void* volume;       // (N, H * W, level_height, level_width) of T, which is float or double
  const void* coords;       // (N, 2, H, W) of T, in pixels of this level
  const void* grad_output;  // (N, (2 * radius + 1)^2, H, W) of T
  void* output;             // (N, (2 * radius + 1)^2, H, W) of T
  void* grad_volume;        // like volume, zeroed
  void* grad_coords;        // like coords
  int64 height, width, level_height, level_width, radius;
};

template <class T>
struct LookupBase : Planes<LookupArguments> {
  using A = Accumulator<T>;
  using Planes<LookupArguments>::Planes;

  VSVFI_FN int64 side() const { return 2 * radius + 1; }
  // The window's upper left pixel in the map of lane i, and the fractions that its taps share.
  VSVFI_FN void window(int64 row, int x, int i, int& left, int& top, A& f, A& g) const {
    const A* at = static_cast<const A*>(coords) + place(row, x, 2) + i;
    const int margin = static_cast<int>(radius) + 2;
    const A at_x = position(at[0], static_cast<int>(level_width), margin);
    const A at_y = position(at[plane()], static_cast<int>(level_height), margin);
    left = floor_index(at_x);
    top = floor_index(at_y);
    f = at_x - A(left);
    g = at_y - A(top);
    left -= static_cast<int>(radius);
    top -= static_cast<int>(radius);
  }
  VSVFI_FN A read(const A* map, int x, int y) const {
    if (!within(x, static_cast<int>(level_width)) || !within(y, static_cast<int>(level_height))) return 0;
    return map[static_cast<int64>(y) * level_width + x];
  }
};

template <class T, int>
struct CorrelationLookup : LookupBase<T> {
  using typename LookupBase<T>::A;
  using LookupBase<T>::LookupBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 plane = this->plane(), level = this->level_height * this->level_width;
    const A* maps = static_cast<const A*>(this->volume) + this->place(row, x, 1) * level;
    A* out = static_cast<A*>(this->output) + this->place(row, x, this->side() * this->side());
    const int side = static_cast<int>(this->side());
    for (int i = 0; i < count; ++i) {
      int left, top;
      A f, g;
      this->window(row, x, i, left, top, f, g);
      const A* map = maps + i * level;
      for (int b = 0; b < side; ++b) {
        A upper = this->read(map, left, top + b), lower = this->read(map, left, top + b + 1);
        A before = upper * (A(1) - g) + lower * g;
        for (int a = 0; a < side; ++a) {
          upper = this->read(map, left + a + 1, top + b);
          lower = this->read(map, left + a + 1, top + b + 1);
          const A after = upper * (A(1) - g) + lower * g;
          out[(static_cast<int64>(a) * side + b) * plane + i] = before * (A(1) - f) + after * f;
          before = after;
        }
      }
    }
  }
};

template <class T, int>
struct CorrelationLookupGrad : LookupBase<T> {
  using typename LookupBase<T>::A;
  using LookupBase<T>::LookupBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 plane = this->plane(), level = this->level_height * this->level_width;
    const A* maps = static_cast<const A*>(this->volume) + this->place(row, x, 1) * level;
    A* out_maps = static_cast<A*>(this->grad_volume) + this->place(row, x, 1) * level;
    A* out = static_cast<A*>(this->grad_coords) + this->place(row, x, 2);
    const A* grads = static_cast<const A*>(this->grad_output) + this->place(row, x, this->side() * this->side());
    const int side = static_cast<int>(this->side());
    for (int i = 0; i < count; ++i) {
      int left, top;
      A f, g, sum_x = 0, sum_y = 0;
      this->window(row, x, i, left, top, f, g);
      const A* map = maps + i * level;
      // Every pixel of the window lies in the footprints of up to four taps.
      for (int b = 0; b <= side; ++b)
        for (int a = 0; a <= side; ++a) {
          const int column = left + a, line = top + b;
          if (!within(column, static_cast<int>(this->level_width)) || !within(line, static_cast<int>(this->level_height)))
            continue;
          const A nw = at(grads, a - 1, b - 1, i), ne = at(grads, a, b - 1, i);
          const A sw = at(grads, a - 1, b, i), se = at(grads, a, b, i);
          const int64 index = static_cast<int64>(line) * this->level_width + column;
          out_maps[i * level + index] = (nw * f + ne * (A(1) - f)) * g + (sw * f + se * (A(1) - f)) * (A(1) - g);
          sum_x += map[index] * ((nw - ne) * g + (sw - se) * (A(1) - g));
          sum_y += map[index] * ((nw - sw) * f + (ne - se) * (A(1) - f));
        }
      out[i] = sum_x;
      out[plane + i] = sum_y;
    }
  }

 private:
  // The gradient of tap (a, b), 0 where there is none.
  VSVFI_FN A at(const A* grads, int a, int b, int i) const {
    const int side = static_cast<int>(this->side());
    if (!within(a, side) || !within(b, side)) return 0;
    return grads[(static_cast<int64>(a) * side + b) * this->plane() + i];
  }
};

}  // namespace vsvfi
