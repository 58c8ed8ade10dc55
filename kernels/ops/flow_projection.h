// Flow projection with or without weights, the filling of its holes, and its gradients.
#pragma once

#include "ops/kernel.h"

namespace vsvfi {

struct ProjectionArguments {
  const void* flow;         // (N, 2, H, W) of T, which is float or double
  const void* weight;       // (N, 1, H, W) of T, or null for 1 everywhere
  const void* grad_output;  // (N, 2, H, W) of T
  void* output;             // (N, 2, H, W) of T: sums, then means, of the negated vectors
  void* coverage;           // (N, 1, H, W) of T: sums of the weights
  void* grad_flow;          // (N, 2, H, W) of T
  void* grad_weight;        // (N, 1, H, W) of T, or null
  int64 height, width;
  int64 look_below;  // 0: holes are not filled from below
};

template <class T>
struct ProjectionBase : Planes<ProjectionArguments> {
  using A = Accumulator<T>;
  using Planes<ProjectionArguments>::Planes;

  VSVFI_FN A weight_at(int64 i) const { return weight == nullptr ? A(1) : static_cast<const A*>(weight)[i]; }

  // The rows and columns around a vector's target; false where it leaves the image.
  VSVFI_FN bool target(int64 row, int x, int* rows, int* columns) const {
    const A* f = static_cast<const A*>(flow) + place(row, x, 2);
    const A at_x = A(x) + f[0], at_y = A(remainder(row, height)) + f[plane()];
    if (!(at_x >= A(0) && at_y >= A(0) && at_x <= A(width - 1) && at_y <= A(height - 1))) return false;
    rows[0] = static_cast<int>(at_y);
    columns[0] = static_cast<int>(at_x);
    rows[1] = smaller(rows[0] + 1, static_cast<int>(height) - 1);
    columns[1] = smaller(columns[0] + 1, static_cast<int>(width) - 1);
    return true;
  }
};

template <class T, int>
struct FlowProjection : ProjectionBase<T> {
  using typename ProjectionBase<T>::A;
  using ProjectionBase<T>::ProjectionBase;

  VSVFI_FN Rows targets(int64 row, int x, int count) const {
    Rows reached;
    int rows[2], columns[2];
    for (int i = 0; i < count; ++i) {
      if (!this->target(row, x + i, rows, columns)) continue;
      reached.add(rows[0], rows[1]);
    }
    return reached;
  }

  VSVFI_FN void span(int64 row, int x, int count, int begin, int end) const {
    const int64 plane = this->plane();
    A* sums = static_cast<A*>(this->output) + this->place(row, 0, 2) - remainder(row, this->height) * this->width;
    A* total = static_cast<A*>(this->coverage) + quotient(row, this->height) * plane;
    int rows[2], columns[2];
    for (int i = 0; i < count; ++i) {
      if (!this->target(row, x + i, rows, columns)) continue;
      const A* f = static_cast<const A*>(this->flow) + this->place(row, x + i, 2);
      const A w = this->weight_at(this->place(row, x + i, 1));
      for (int j = 0; j < 2; ++j) {
        if (rows[j] < begin || rows[j] >= end) continue;
        for (int k = 0; k < 2; ++k) {
          const int64 at = static_cast<int64>(rows[j]) * this->width + columns[k];
          add(sums, at, -w * f[0]);
          add(sums, plane + at, -w * f[plane]);
          add(total, at, w);
        }
      }
    }
  }
};

template <class T, int>
struct FlowProjectionMean : ProjectionBase<T> {
  using typename ProjectionBase<T>::A;
  using ProjectionBase<T>::ProjectionBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    A* sums = static_cast<A*>(this->output) + this->place(row, x, 2);
    const A* total = static_cast<const A*>(this->coverage) + this->place(row, x, 1);
    for (int i = 0; i < count; ++i) {
      const A divisor = total[i] > A(0) ? total[i] : A(1);
      sums[i] = total[i] > A(0) ? sums[i] / divisor : A(0);
      sums[this->plane() + i] = total[i] > A(0) ? sums[this->plane() + i] / divisor : A(0);
    }
  }
};

// Gives each hole the mean of the nearest covered pixels along its row and column. Holes are no sources, so that
// filling in place does not depend on an order.
template <class T, int>
struct FlowProjectionFill : ProjectionBase<T> {
  using typename ProjectionBase<T>::A;
  using ProjectionBase<T>::ProjectionBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 plane = this->plane(), width = this->width;
    A* flow = static_cast<A*>(this->output) + this->place(row, 0, 2) - remainder(row, this->height) * width;
    const A* total = static_cast<const A*>(this->coverage) + quotient(row, this->height) * plane;
    const int y = static_cast<int>(remainder(row, this->height));
    for (int i = 0; i < count; ++i) {
      const int64 at = y * width + x + i;
      if (total[at] > A(0)) continue;
      A sum_x = 0, sum_y = 0;
      int found = 0;
      walk(flow, total, at, x + i, -1, sum_x, sum_y, found);
      walk(flow, total, at, static_cast<int>(width) - 1 - x - i, 1, sum_x, sum_y, found);
      walk(flow, total, at, y, -width, sum_x, sum_y, found);
      if (this->look_below) walk(flow, total, at, static_cast<int>(this->height) - 1 - y, width, sum_x, sum_y, found);
      flow[at] = found > 0 ? sum_x / A(found) : A(0);
      flow[plane + at] = found > 0 ? sum_y / A(found) : A(0);
    }
  }

 private:
  // Adds the first covered pixel within `steps` of `at`, if there is one.
  VSVFI_FN void walk(const A* flow, const A* total, int64 at, int steps, int64 step, A& sum_x, A& sum_y,
                     int& found) const {
    while (steps > 0) {
      at += step;
      --steps;
      if (total[at] == A(0)) continue;
      if (total[at] > A(0)) {
        sum_x += flow[at];
        sum_y += flow[this->plane() + at];
        ++found;
      }
      return;
    }
  }
};

template <class T, int>
struct FlowProjectionGrad : ProjectionBase<T> {
  using typename ProjectionBase<T>::A;
  using ProjectionBase<T>::ProjectionBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 plane = this->plane();
    const int64 origin = this->place(row, 0, 2) - remainder(row, this->height) * this->width;
    const A* grad = static_cast<const A*>(this->grad_output) + origin;
    const A* mean = static_cast<const A*>(this->output) + origin;
    const A* total = static_cast<const A*>(this->coverage) + quotient(row, this->height) * plane;
    int rows[2], columns[2];
    for (int i = 0; i < count; ++i) {
      const int64 here = this->place(row, x + i, 2);
      const A* f = static_cast<const A*>(this->flow) + here;
      A sum_x = 0, sum_y = 0, sum_weight = 0;
      if (this->target(row, x + i, rows, columns)) {
        for (int tap = 0; tap < 4; ++tap) {
          const int64 at = static_cast<int64>(rows[tap / 2]) * this->width + columns[tap % 2];
          if (!(total[at] > A(0))) continue;
          const A g_x = grad[at] / total[at], g_y = grad[plane + at] / total[at];
          sum_x -= g_x;
          sum_y -= g_y;
          sum_weight -= g_x * (f[0] + mean[at]) + g_y * (f[plane] + mean[plane + at]);
        }
      }
      const int64 single = this->place(row, x + i, 1);
      const A w = this->weight_at(single);
      A* out = static_cast<A*>(this->grad_flow) + here;
      out[0] = sum_x * w;
      out[plane] = sum_y * w;
      if (this->grad_weight != nullptr) static_cast<A*>(this->grad_weight)[single] = sum_weight;
    }
  }
};

}  // namespace vsvfi
