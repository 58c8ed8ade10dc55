// Forward splatting with optional weights and normalisation, its gradients, and a gather for GPUs that gives the same
// bits on every run.
#pragma once

#include "ops/kernel.h"

namespace vsvfi {

struct SplatArguments {
  const void* image;       // (N, C, H, W) of T
  const void* flow;        // (N, 2, H, W) of Accumulator<T>
  const void* weight;      // (N, 1, H, W) of Accumulator<T>, or null for 1 everywhere
  void* output;            // (N, C, H, W) of Accumulator<T>
  void* total;             // (N, 1, H, W) of Accumulator<T>: the splatted weights, or null
  const void* grad_output; // (N, C, H, W) of Accumulator<T>, for the undivided output
  const void* grad_total;  // (N, 1, H, W) of Accumulator<T>: to the splatted weights, or null
  void* grad_image;        // (N, C, H, W) of Accumulator<T>
  void* grad_flow;         // (N, 2, H, W) of Accumulator<T>
  void* grad_weight;       // (N, 1, H, W) of Accumulator<T>, or null
  const void* order;       // (N * H * W) int64: source pixels sorted by the cell of their target
  const void* starts;      // (N * (H + 1) * (W + 1) + 1) int64: where each cell's sources start in order
  int64 channels, height, width;
  int64 softmax;  // 1: weights are the exponential of `weight`
};

template <class T>
struct SplatBase : Planes<SplatArguments> {
  using A = Accumulator<T>;
  using Planes<SplatArguments>::Planes;

  VSVFI_FN A weight_at(int64 i) const {
    if (weight == nullptr) return 1;
    const A w = static_cast<const A*>(weight)[i];
    return softmax ? exponential(w) : w;
  }

  // Where a source pixel lands: the pixel on the upper left and the distances to it. False where no part of it can be
  // inside the image (NaN and infinities included).
  VSVFI_FN bool land(int64 row, int x, int& left, int& top, A& f, A& g) const {
    const A* at = static_cast<const A*>(flow) + place(row, x, 2);
    const A at_x = A(x) + at[0], at_y = A(remainder(row, height)) + at[plane()];
    if (!(at_x >= A(-1) && at_y >= A(-1) && at_x < A(width) && at_y < A(height))) return false;
    left = floor_index(at_x);
    top = floor_index(at_y);
    f = at_x - A(left);
    g = at_y - A(top);
    return true;
  }
};

template <class T, int>
struct ForwardSplat : SplatBase<T> {
  using typename SplatBase<T>::A;
  using SplatBase<T>::SplatBase;

  VSVFI_FN Rows targets(int64 row, int x, int count) const {
    Rows reached;
    const A* fy = static_cast<const A*>(this->flow) + this->place(row, x, 2) + this->plane();
    const int height = static_cast<int>(this->height);
    const A y = A(remainder(row, this->height));
    for (int i = 0; i < count; ++i) {
      const A at = y + fy[i];
      const bool good = (at >= A(-1)) & (at < A(height));
      const int top = floor_index(good ? at : A(0));
      reached.add(good ? larger(top, 0) : reached.first, good ? smaller(top + 1, height - 1) : reached.last);
    }
    return reached;
  }

  VSVFI_FN void span(int64 row, int x, int count, int begin, int end) const {
    int index[kLanes], parts[kLanes];  // Bit j * 2 + k of parts: the corner in row j and column k is wanted.
    A weights[4][kLanes];
    const int64 plane = this->plane();
    const int width = static_cast<int>(this->width), height = static_cast<int>(this->height);
    const A* fx = static_cast<const A*>(this->flow) + this->place(row, x, 2);
    const A* fy = fx + plane;
    const A y = A(remainder(row, this->height));
    for (int i = 0; i < count; ++i) {
      const A at_x = A(x + i) + fx[i], at_y = y + fy[i];
      const bool good = (at_x >= A(-1)) & (at_y >= A(-1)) & (at_x < A(width)) & (at_y < A(height));
      const A safe_x = good ? at_x : A(0), safe_y = good ? at_y : A(0);
      const int left = floor_index(safe_x), top = floor_index(safe_y);
      const A f = safe_x - A(left), g = safe_y - A(top);
      const int columns = (left >= 0 ? 1 : 0) | (left + 1 < width ? 2 : 0);
      const int upper = (top >= begin) & (top < end) ? columns : 0;
      const int lower = (top + 1 >= begin) & (top + 1 < end) ? columns * 4 : 0;
      parts[i] = good ? upper | lower : 0;
      index[i] = top * width + left;
      weights[0][i] = (A(1) - f) * (A(1) - g);
      weights[1][i] = f * (A(1) - g);
      weights[2][i] = (A(1) - f) * g;
      weights[3][i] = f * g;
    }
    if (this->weight != nullptr) {
      const A* metric = static_cast<const A*>(this->weight) + this->place(row, x, 1);
      A scale[kLanes];
      for (int i = 0; i < count; ++i) scale[i] = metric[i];
      if (this->softmax)
        for (int i = 0; i < count; ++i) scale[i] = exponential(scale[i]);
      for (int corner = 0; corner < 4; ++corner)
        for (int i = 0; i < count; ++i) weights[corner][i] *= scale[i];
    }
    const T* in = static_cast<const T*>(this->image) + this->place(row, x, this->channels);
    A* out = static_cast<A*>(this->output) + quotient(row, this->height) * this->channels * plane;
    A* total = this->total == nullptr ? nullptr : static_cast<A*>(this->total) + quotient(row, this->height) * plane;
    // Neighbouring pixels add to the same targets, one after the other; several planes at once hide that latency.
    int64 c = 0;
    for (; c + 4 <= this->channels; c += 4)
      spread<4>(in + c * plane, out + c * plane, nullptr, index, parts, weights, count);
    const int rest = static_cast<int>(this->channels - c);
    if (rest == 3) spread<3>(in + c * plane, out + c * plane, total, index, parts, weights, count);
    if (rest == 2) spread<2>(in + c * plane, out + c * plane, total, index, parts, weights, count);
    if (rest == 1) spread<1>(in + c * plane, out + c * plane, total, index, parts, weights, count);
    if (rest == 0 && total != nullptr) spread<0>(in, out, total, index, parts, weights, count);
  }

 private:
  // Some channels, and the weights themselves where there is a total.
  template <int channels>
  VSVFI_FN void spread(const T* in, A* out, A* total, const int* index, const int* parts, A (*weights)[kLanes],
                       int count) const {
    const int64 plane = this->plane();
    for (int i = 0; i < count; ++i) {
      if (parts[i] == 0) continue;
      for (int c = 0; c < channels; ++c)
        spread(out + c * plane, index[i], parts[i], weights, i, load(in, c * plane + i));
      if (total != nullptr) spread(total, index[i], parts[i], weights, i, A(1));
    }
  }
  VSVFI_FN void spread(A* out, int index, int parts, A (*weights)[kLanes], int i, A value) const {
    const int below = index + static_cast<int>(this->width);
    if (parts == 15) {
      add(out, index, value * weights[0][i]);
      add(out, index + 1, value * weights[1][i]);
      add(out, below, value * weights[2][i]);
      add(out, below + 1, value * weights[3][i]);
      return;
    }
    if (parts & 1) add(out, index, value * weights[0][i]);
    if (parts & 2) add(out, index + 1, value * weights[1][i]);
    if (parts & 4) add(out, below, value * weights[2][i]);
    if (parts & 8) add(out, below + 1, value * weights[3][i]);
  }
};

// The same sums, gathered by target: sources come in the order of `order`, so that rounding is the same on every run.
template <class T, int>
struct ForwardSplatGather : SplatBase<T> {
  using typename SplatBase<T>::A;
  using SplatBase<T>::SplatBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 plane = this->plane(), sample = quotient(row, this->height);
    const int64* order = static_cast<const int64*>(this->order);
    const int64* starts = static_cast<const int64*>(this->starts);
    const int64 y = remainder(row, this->height);
    const T* in = static_cast<const T*>(this->image) + sample * this->channels * plane;
    for (int i = 0; i < count; ++i) {
      for (int64 c = 0; c < this->channels; c += kChannels) {
        const int chunk = static_cast<int>(this->channels - c < kChannels ? this->channels - c : kChannels);
        A sum[kChannels] = {}, weights = 0;
        for (int part = 0; part < 4; ++part) {
          // Cells are numbered from -1 in both directions: their upper left corner may lie outside.
          const int64 cell = (sample * (this->height + 1) + y + part / 2) * (this->width + 1) + x + i + part % 2;
          for (int64 s = starts[cell]; s < starts[cell + 1]; ++s) {
            const int64 source = order[s] - sample * plane;
            int left, top;
            A f, g;
            if (!this->land(order[s] / this->width, static_cast<int>(source % this->width), left, top, f, g)) continue;
            const A w = (part % 2 ? A(1) - f : f) * (part / 2 ? A(1) - g : g) * this->weight_at(order[s]);
            weights += w;
            for (int k = 0; k < kChannels; ++k)
              if (k < chunk) sum[k] += w * load(in, (c + k) * plane + source);
          }
        }
        A* out = static_cast<A*>(this->output) + (sample * this->channels + c) * plane + y * this->width + x + i;
        for (int k = 0; k < kChannels; ++k)
          if (k < chunk) out[k * plane] = sum[k];
        if (c == 0 && this->total != nullptr) static_cast<A*>(this->total)[sample * plane + y * this->width + x + i] = weights;
      }
    }
  }
};

// Divides the sums by the splatted weights. The variant is what keeps the divisor from 0.
enum SplatEpsilon { kAdd = 0, kZero = 1, kClip = 2 };

template <class A, int epsilon>
VSVFI_FN A splat_divisor(A total) {
  const A tiny = static_cast<A>(1e-7);
  if (epsilon == kAdd) return total + tiny;
  if (epsilon == kZero) return total == A(0) ? A(1) : total;
  return total < tiny ? tiny : total;
}

template <class T, int epsilon>
struct ForwardSplatDivide : SplatBase<T> {
  using typename SplatBase<T>::A;
  using SplatBase<T>::SplatBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const A* total = static_cast<const A*>(this->total) + this->place(row, x, 1);
    A* out = static_cast<A*>(this->output) + this->place(row, x, this->channels);
    A divisor[kLanes];
    for (int i = 0; i < count; ++i) divisor[i] = splat_divisor<A, epsilon>(total[i]);
    for (int64 c = 0; c < this->channels; ++c, out += this->plane())
      for (int i = 0; i < count; ++i) out[i] /= divisor[i];
  }
};

template <class T, int>
struct ForwardSplatGrad : SplatBase<T> {
  using typename SplatBase<T>::A;
  using SplatBase<T>::SplatBase;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 plane = this->plane();
    const int width = static_cast<int>(this->width), height = static_cast<int>(this->height);
    for (int i = 0; i < count; ++i) {
      const int64 here = this->place(row, x + i, this->channels), single = this->place(row, x + i, 1);
      A* out = static_cast<A*>(this->grad_image) + here;
      int left = 0, top = 0;
      A f = 0, g = 0, weight_sum = 0, sum_x = 0, sum_y = 0;
      const A w = this->weight_at(single);
      const bool good = this->land(row, x + i, left, top, f, g);
      if (good) {
        const bool inside[4] = {within(left, width) && within(top, height), within(left + 1, width) && within(top, height),
                                within(left, width) && within(top + 1, height),
                                within(left + 1, width) && within(top + 1, height)};
        const int64 index = static_cast<int64>(top) * width + left;
        const A* grad = static_cast<const A*>(this->grad_output) + quotient(row, this->height) * this->channels * plane;
        const T* in = static_cast<const T*>(this->image) + here;
        for (int64 c = 0; c < this->channels; ++c) {
          const A value = load(in, c * plane);
          A by_weight, by_x, by_y;
          pull(grad + c * plane, index, inside, f, g, by_weight, by_x, by_y);
          out[c * plane] = by_weight * w;
          weight_sum += by_weight * value;
          sum_x += by_x * value;
          sum_y += by_y * value;
        }
        if (this->grad_total != nullptr) {
          A by_weight, by_x, by_y;
          pull(static_cast<const A*>(this->grad_total) + quotient(row, this->height) * plane, index, inside, f, g, by_weight, by_x,
               by_y);
          weight_sum += by_weight;
          sum_x += by_x;
          sum_y += by_y;
        }
      } else {
        for (int64 c = 0; c < this->channels; ++c) out[c * plane] = 0;
      }
      A* out_flow = static_cast<A*>(this->grad_flow) + this->place(row, x + i, 2);
      out_flow[0] = sum_x * w;
      out_flow[plane] = sum_y * w;
      if (this->grad_weight != nullptr) static_cast<A*>(this->grad_weight)[single] = this->softmax ? weight_sum * w : weight_sum;
    }
  }

 private:
  // A plane's gradient at the four corners: weighted bilinearly, and by the derivatives of these weights.
  VSVFI_FN void pull(const A* grad, int64 index, const bool* inside, A f, A g, A& by_weight, A& by_x, A& by_y) const {
    const A nw = inside[0] ? grad[index] : A(0), ne = inside[1] ? grad[index + 1] : A(0);
    const A sw = inside[2] ? grad[index + this->width] : A(0), se = inside[3] ? grad[index + this->width + 1] : A(0);
    by_weight = (nw * (A(1) - f) + ne * f) * (A(1) - g) + (sw * (A(1) - f) + se * f) * g;
    by_x = (ne - nw) * (A(1) - g) + (se - sw) * g;
    by_y = (sw - nw) * (A(1) - f) + (se - ne) * f;
  }
};

}  // namespace vsvfi
