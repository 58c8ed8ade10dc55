// Coarse-to-fine interpolation in single passes: what a level of a pyramid sees of two frames, and the final blend.
//
// Levels estimate increments of the flow at their own size. A position's flow is the sum of all increments, each
// enlarged bilinearly; it is computed where it is needed, so that no flow of full size is ever stored.
#pragma once

#include "ops/kernel.h"

namespace vsvfi {

// Four neighbours of a position, and how far between them it lies.
struct Corners {
  int x0, x1, y0, y1;
  float fx, fy;
};

// A position limited to an image; NaN counts as far left.
VSVFI_FN Corners corners(float x, float y, int width, int height) {
  Corners c;
  x = limit(x, 0.0f, static_cast<float>(width - 1));
  y = limit(y, 0.0f, static_cast<float>(height - 1));
  c.x0 = floor_index(x);
  c.y0 = floor_index(y);
  c.fx = x - static_cast<float>(c.x0);
  c.fy = y - static_cast<float>(c.y0);
  c.x1 = smaller(c.x0 + 1, width - 1);
  c.y1 = smaller(c.y0 + 1, height - 1);
  return c;
}

VSVFI_FN float mixed(const Corners& c, float a, float b, float p, float q) {
  const float upper = mad(b - a, c.fx, a), lower = mad(q - p, c.fx, p);
  return mad(lower - upper, c.fy, upper);
}

// A tensor (N, C, height, width) of T with any strides, counted in elements.
template <class T>
struct View {
  const T* data;
  int64 batch, channel, row, column;

  VSVFI_FN float at(int64 sample, int64 c, int64 y, int64 x) const {
    return load(data, sample * batch + c * channel + y * row + x * column);
  }
  VSVFI_FN float at(int64 sample, int64 c, const Corners& p) const {
    const T* start = data + (sample * batch + c * channel);
    const int64 upper = p.y0 * row, lower = p.y1 * row, left = p.x0 * column, right = p.x1 * column;
    return mixed(p, load(start, upper + left), load(start, upper + right), load(start, lower + left),
                 load(start, lower + right));
  }
};

struct TensorArguments {
  const void* data;
  int64 batch, channel, row, column;

  template <class T>
  VSVFI_FN View<T> view() const {
    return {static_cast<const T*>(data), batch, channel, row, column};
  }
};

constexpr int kLevels = 6;

// An estimate of a coarser level (N, C, height, width): flow increments, mask logits, features. `shuffled` estimates lie
// in four times the channels at half the size, as they leave a convolution: channel 4 c + 2 (y % 2) + x % 2.
struct EstimateArguments {
  TensorArguments tensor;
  int64 height, width, enlarged, shuffled;  // frames are `enlarged` times as large
};

struct PyramidArguments {
  TensorArguments frame[2];     // (1, 3, height, width) of float
  TensorArguments features[2];  // (1, feature_channels, height, width) of T
  const void* timesteps;        // (N,) of float
  void* output;
  TensorArguments out;          // the output's strides, data unused
  int64 height, width, feature_channels, scale, levels, fed_on, sums_masks;
  EstimateArguments estimate[kLevels];  // coarsest first
};

template <class T>
struct PyramidBase : PyramidArguments {
  using Arguments = PyramidArguments;

  VSVFI_FN explicit PyramidBase(const PyramidArguments& arguments) : PyramidArguments(arguments) {}

  VSVFI_FN static float element(const EstimateArguments& e, const View<T>& view, int64 n, int c, int y, int x) {
    return e.shuffled ? view.at(n, 4 * c + 2 * (y & 1) + (x & 1), y >> 1, x >> 1) : view.at(n, c, y, x);
  }
  // Channel c of an estimate at pixel (x, y) of the frames.
  VSVFI_FN static float estimated(const EstimateArguments& e, int64 n, int c, int y, int x) {
    const View<T> view = e.tensor.template view<T>();
    if (e.enlarged == 1) return element(e, view, n, c, y, x);
    const float shrink = 1.0f / static_cast<float>(e.enlarged);
    const Corners p = corners((static_cast<float>(x) + 0.5f) * shrink - 0.5f, (static_cast<float>(y) + 0.5f) * shrink - 0.5f,
                              static_cast<int>(e.width), static_cast<int>(e.height));
    return mixed(p, element(e, view, n, c, p.y0, p.x0), element(e, view, n, c, p.y0, p.x1),
                 element(e, view, n, c, p.y1, p.x0), element(e, view, n, c, p.y1, p.x1));
  }
  // The flow's four components at a pixel.
  VSVFI_FN void flow_at(float* flow, int64 n, int y, int x) const {
    for (int c = 0; c < 4; ++c) flow[c] = 0.0f;
    for (int k = 0; k < levels; ++k)
      for (int c = 0; c < 4; ++c)
        flow[c] = mad(estimated(estimate[k], n, c, y, x), static_cast<float>(estimate[k].enlarged), flow[c]);
  }
  VSVFI_FN float mask_at(int64 n, int y, int x) const {
    float sum = estimated(estimate[levels - 1], n, 4, y, x);
    for (int k = 0; sums_masks && k < levels - 1; ++k) sum += estimated(estimate[k], n, 4, y, x);
    return sum;
  }
  VSVFI_FN Corners towards(int side, const float* flow, int y, int x) const {
    return corners(static_cast<float>(x) + flow[2 * side], static_cast<float>(y) + flow[2 * side + 1],
                   static_cast<int>(width), static_cast<int>(height));
  }
};

// A level's input (N, ., height / scale, width / scale): both frames, their features, the timestep, and from the second
// level on mask logit, fed-on features and flow; warped at full size, then reduced bilinearly. Reducing by an even
// factor takes the mean of the four pixels in the middle of each square, so that only those are warped.
template <class T, int>
struct PyramidInput : PyramidBase<T> {
  using Base = PyramidBase<T>;
  using Base::Base;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 rows = this->height / this->scale, n = quotient(row, rows);
    const int y = static_cast<int>(remainder(row, rows));
    for (int i = 0; i < count; ++i) pixel(n, y, x + i);
  }

 private:
  VSVFI_FN void pixel(int64 n, int y, int x) const {
    const int s = static_cast<int>(this->scale), points = s == 1 ? 1 : 4;
    const int left = x * s + (s == 1 ? 0 : s / 2 - 1), top = y * s + (s == 1 ? 0 : s / 2 - 1);
    const float share = 1.0f / static_cast<float>(points);
    Corners at[2][4];
    float flow[4] = {0, 0, 0, 0};
    for (int p = 0; p < 4; ++p) {
      if (p >= points) break;
      float here[4];
      this->flow_at(here, n, top + (p >> 1), left + (p & 1));
      for (int side = 0; side < 2; ++side) at[side][p] = this->towards(side, here, top + (p >> 1), left + (p & 1));
      for (int c = 0; c < 4; ++c) flow[c] += here[c] * share;
    }
    T* out = static_cast<T*>(this->output) + (n * this->out.batch + y * this->out.row + x * this->out.column);
    int64 channel = 0;
    for (int side = 0; side < 2; ++side)
      for (int c = 0; c < 3; ++c)
        store(out, channel++ * this->out.channel, mean(this->frame[side].template view<float>(), c, at[side], points));
    for (int side = 0; side < 2; ++side)
      for (int c = 0; c < this->feature_channels; ++c)
        store(out, channel++ * this->out.channel, mean(this->features[side].template view<T>(), c, at[side], points));
    store(out, channel++ * this->out.channel, load(static_cast<const float*>(this->timesteps), n));
    if (this->levels == 0) return;
    float mask = 0.0f;
    for (int p = 0; p < points; ++p) mask += this->mask_at(n, top + (p >> 1), left + (p & 1)) * share;
    store(out, channel++ * this->out.channel, mask);
    for (int c = 0; c < this->fed_on; ++c) {
      float sum = 0.0f;
      for (int p = 0; p < points; ++p)
        sum += this->estimated(this->estimate[this->levels - 1], n, 5 + c, top + (p >> 1), left + (p & 1));
      store(out, channel++ * this->out.channel, sum * share);
    }
    for (int c = 0; c < 4; ++c) store(out, channel++ * this->out.channel, flow[c] / static_cast<float>(s));
  }

  template <class S>
  static VSVFI_FN float mean(const View<S>& view, int c, const Corners* at, int points) {
    float sum = 0.0f;
    for (int p = 0; p < 4; ++p)
      if (p < points) sum += view.at(0, c, at[p]);
    return points == 1 ? sum : sum * 0.25f;
  }
};

// The new frames (N, 3, height, width) of float: both frames warped, mixed by the mask.
template <class T, int>
struct PyramidBlend : PyramidBase<T> {
  using Base = PyramidBase<T>;
  using Base::Base;

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int64 n = quotient(row, this->height), plane = this->height * this->width;
    const int y = static_cast<int>(remainder(row, this->height));
    float* out = static_cast<float*>(this->output) + 3 * n * plane + y * this->width + x;
    for (int i = 0; i < count; ++i) {
      float flow[4];
      this->flow_at(flow, n, y, x + i);
      const float share = 1.0f / (1.0f + exponential(-this->mask_at(n, y, x + i)));
      const Corners first = this->towards(0, flow, y, x + i), second = this->towards(1, flow, y, x + i);
      for (int c = 0; c < 3; ++c) {
        const float a = this->frame[0].template view<float>().at(0, c, first);
        const float b = this->frame[1].template view<float>().at(0, c, second);
        out[c * plane + i] = a * share + b * (1.0f - share);
      }
    }
  }
};

}  // namespace vsvfi
