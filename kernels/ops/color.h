// Native planes to RGB and back: samples of any depth, chroma sited anywhere, padding by replication.
#pragma once

#include "ops/kernel.h"

namespace vsvfi {

enum Family { kGray = 0, kRgb = 1, kYuv = 2 };
enum Samples { kBytes = 0, kWords = 1, kHalves = 2, kFloats = 3 };
// Where a chroma sample lies on the two luma samples that it covers along an axis.
enum Site { kFirst = 0, kCenter = 1, kLast = 2 };

// The planes lie one after the other without gaps, each in samples of its own size.
struct ColorArguments {
  const void* source;
  void* output;
  int64 width, height;        // of the frame, without padding
  int64 left, top;            // where the frame lies in the RGB image
  int64 rgb_width, rgb_height;
  int64 family, samples;
  int64 sub_x, sub_y;         // halvings of the chroma planes' sides
  int64 site_x, site_y;
  int64 peak;                 // the largest code value of an integer
  double matrix[9];           // to RGB or from it, row by row
  double gain[2], offset[2];  // samples are value * gain + offset: luma and RGB, chroma
};

template <class T>
struct ColorBase : ColorArguments {
  using Arguments = ColorArguments;

  VSVFI_FN explicit ColorBase(const ColorArguments& arguments) : ColorArguments(arguments) {}

  VSVFI_FN int chroma_width() const { return static_cast<int>(width) >> sub_x; }
  VSVFI_FN int chroma_height() const { return static_cast<int>(height) >> sub_y; }
  VSVFI_FN int64 plane_start(int plane) const {
    const int64 luma = width * height;
    if (plane == 0 || family != kYuv) return plane * luma;
    return luma + (plane - 1) * static_cast<int64>(chroma_width()) * chroma_height();
  }
  VSVFI_FN float factor(int row, int column) const { return static_cast<float>(matrix[3 * row + column]); }
};

// The samples that a luma position takes from an axis of a chroma plane which has been halved `times` times: the
// inverse of taking the mean (kCenter), the first or the last of each pair. Three are enough for one halving.
template <int kTaps>
struct ChromaTaps {
  int index[kTaps];
  float weight[kTaps];

  VSVFI_FN ChromaTaps(int at, int size, int times, int site) {
    if (kTaps == 3) {
      const int cell = at >> times, odd = at & times;
      index[0] = clamp_index(cell - 1, size);
      index[1] = cell;
      index[2] = clamp_index(cell + 1, size);
      // A slope of an eighth of what the neighbours differ by, or half of the neighbour between two samples.
      const bool between = times && site != kCenter && (site == kFirst) == (odd != 0);
      const float slope = times && site == kCenter ? (odd ? 0.125f : -0.125f) : 0.0f;
      weight[0] = between && site == kLast ? 0.5f : -slope;
      weight[1] = between ? 0.5f : 1.0f;
      weight[2] = between && site == kFirst ? 0.5f : slope;
      return;
    }
    for (int k = 0; k < kTaps; ++k) index[k] = at, weight[k] = k == 0 ? 1.0f : 0.0f;
    int count = 1;
    for (int step = 1; step <= times; ++step) count = coarser(count, size << (times - step), site);
  }

 private:
  // From taps of a plane to taps of one half as long, `length`; how many there are.
  VSVFI_FN int coarser(int count, int length, int site) {
    int finer_index[kTaps];
    float finer_weight[kTaps];
    for (int k = 0; k < count; ++k) finer_index[k] = index[k], finer_weight[k] = weight[k], weight[k] = 0.0f;
    int made = 0;
    for (int k = 0; k < count; ++k) {
      const ChromaTaps<3> part(finer_index[k], length, 1, site);
      for (int j = 0; j < 3; ++j)
        if (part.weight[j] != 0.0f) made = push(made, part.index[j], part.weight[j] * finer_weight[k]);
    }
    for (int k = made; k < kTaps; ++k) index[k] = index[0], weight[k] = 0.0f;
    return made;
  }

  VSVFI_FN int push(int count, int i, float w) {
    int k = 0;
    while (k < count && index[k] != i) ++k;
    if (k == count) weight[k] = 0.0f;
    index[k] = i;
    weight[k] += w;
    return larger(count, k + 1);
  }
};

// Planes to RGB (1, 3, rgb_height, rgb_width) of T; 3 taps where chroma is halved once at most, else 9.
template <class T, int taps>
struct PlanesToRgb : ColorBase<T> {
  using Base = ColorBase<T>;
  using Base::Base;

  VSVFI_FN float sample(int plane, int x, int y) const {
    const bool chroma = this->family == kYuv && plane > 0;
    const int64 stride = chroma ? this->chroma_width() : this->width;
    const int64 i = this->plane_start(plane) + y * stride + x;
    float v;
    if (this->samples == kBytes)
      v = static_cast<float>(static_cast<const unsigned char*>(this->source)[i]);
    else if (this->samples == kWords)
      v = static_cast<float>(static_cast<const unsigned short*>(this->source)[i]);
    else if (this->samples == kHalves)
      v = half_to_float(static_cast<const unsigned short*>(this->source)[i]);
    else
      v = static_cast<const float*>(this->source)[i];
    return (v - static_cast<float>(this->offset[chroma])) / static_cast<float>(this->gain[chroma]);
  }

  VSVFI_FN float chroma(int plane, const ChromaTaps<taps>& h, const ChromaTaps<taps>& v) const {
    float sum = 0.0f;
    for (int j = 0; j < taps; ++j) {
      float line = 0.0f;
      for (int k = 0; k < taps; ++k) line += sample(plane, h.index[k], v.index[j]) * h.weight[k];
      sum += line * v.weight[j];
    }
    return sum;
  }

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int y = clamp_index(static_cast<int>(row - this->top), static_cast<int>(this->height));
    const int64 plane = this->rgb_width * this->rgb_height;
    T* out = static_cast<T*>(this->output) + row * this->rgb_width + x;
    for (int i = 0; i < count; ++i) {
      const int at = clamp_index(x + i - static_cast<int>(this->left), static_cast<int>(this->width));
      const float first = sample(0, at, y);
      if (this->family == kGray) {
        for (int c = 0; c < 3; ++c) store(out, c * plane + i, first);
      } else if (this->family == kRgb) {
        store(out, i, first);
        store(out, plane + i, sample(1, at, y));
        store(out, 2 * plane + i, sample(2, at, y));
      } else {
        const ChromaTaps<taps> h(at, this->chroma_width(), static_cast<int>(this->sub_x), static_cast<int>(this->site_x));
        const ChromaTaps<taps> v(y, this->chroma_height(), static_cast<int>(this->sub_y), static_cast<int>(this->site_y));
        const float second = chroma(1, h, v), third = chroma(2, h, v);
        for (int c = 0; c < 3; ++c)
          store(out, c * plane + i,
                this->factor(c, 0) * first + this->factor(c, 1) * second + this->factor(c, 2) * third);
      }
    }
  }
};

// RGB (1, 3, rgb_height, rgb_width) of T to planes; integers are rounded (ties to even) and limited to their range.
template <class T, int>
struct RgbToPlanes : ColorBase<T> {
  using Base = ColorBase<T>;
  using Base::Base;

  VSVFI_FN float rgb(int channel, int x, int y) const {
    const int64 plane = this->rgb_width * this->rgb_height;
    return load(static_cast<const T*>(this->source), channel * plane + (y + this->top) * this->rgb_width + this->left + x);
  }

  VSVFI_FN void put(int plane, int64 i, float value) const {
    const int chroma = this->family == kYuv && plane > 0 ? 1 : 0;
    const float v = value * static_cast<float>(this->gain[chroma]) + static_cast<float>(this->offset[chroma]);
    i += this->plane_start(plane);
    if (this->samples == kFloats) {
      static_cast<float*>(this->output)[i] = v;
    } else if (this->samples == kHalves) {
      static_cast<unsigned short*>(this->output)[i] = float_to_half(v);
    } else {
      // Adding 1.5 * 2^23 leaves no bits for a fraction: the sum is rounded to an integer, ties to even.
      const float big = 12582912.0f;
      const float rounded = limit(limit(v, -1.0f, 65536.0f) + big - big, 0.0f, static_cast<float>(this->peak));
      if (this->samples == kBytes)
        static_cast<unsigned char*>(this->output)[i] = static_cast<unsigned char>(rounded);
      else
        static_cast<unsigned short*>(this->output)[i] = static_cast<unsigned short>(rounded);
    }
  }

  // The first and the number of luma positions that a chroma sample is the mean of, along an axis.
  static VSVFI_FN int first_of(int at, int times, int site) {
    return site == kLast ? ((at + 1) << times) - 1 : at << times;
  }
  static VSVFI_FN int count_of(int times, int site) { return site == kCenter ? 1 << times : 1; }

  VSVFI_FN void chroma(int x, int y) const {
    const int sub_x = static_cast<int>(this->sub_x), sub_y = static_cast<int>(this->sub_y);
    const int site_x = static_cast<int>(this->site_x), site_y = static_cast<int>(this->site_y);
    const int left = first_of(x, sub_x, site_x), top = first_of(y, sub_y, site_y);
    const int columns = count_of(sub_x, site_x), rows = count_of(sub_y, site_y);
    float mean[3];
    for (int c = 0; c < 3; ++c) {
      mean[c] = 0.0f;
      for (int j = 0; j < rows; ++j)
        for (int k = 0; k < columns; ++k) mean[c] += rgb(c, left + k, top + j);
      mean[c] /= static_cast<float>(rows * columns);
    }
    for (int plane = 1; plane < 3; ++plane)
      put(plane, y * static_cast<int64>(this->chroma_width()) + x,
          this->factor(plane, 0) * mean[0] + this->factor(plane, 1) * mean[1] + this->factor(plane, 2) * mean[2]);
  }

  VSVFI_FN void span(int64 row, int x, int count) const {
    const int y = static_cast<int>(row);
    for (int i = 0; i < count; ++i) {
      const int at = x + i;
      const float r = rgb(0, at, y), g = rgb(1, at, y), b = rgb(2, at, y);
      const int64 pixel = row * this->width + at;
      if (this->family == kGray) {
        put(0, pixel, (r + g + b) / 3.0f);
      } else if (this->family == kRgb) {
        put(0, pixel, r);
        put(1, pixel, g);
        put(2, pixel, b);
      } else {
        put(0, pixel, this->factor(0, 0) * r + this->factor(0, 1) * g + this->factor(0, 2) * b);
        const int mask_x = (1 << this->sub_x) - 1, mask_y = (1 << this->sub_y) - 1;
        if (!(at & mask_x) && !(y & mask_y)) chroma(at >> this->sub_x, y >> this->sub_y);
      }
    }
  }
};

}  // namespace vsvfi
