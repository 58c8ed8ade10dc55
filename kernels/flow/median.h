// The median filter of 3x3 samples.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/parallel.h"
#include "flow/simd.h"

namespace vsvfi::flow {

inline float low(float a, float b) { return std::min(a, b); }
inline float high(float a, float b) { return std::max(a, b); }
inline Vec8 low(Vec8 a, Vec8 b) { return min8(a, b); }
inline Vec8 high(Vec8 a, Vec8 b) { return max8(a, b); }

template <class T>
void sort2(T& a, T& b) {
  const T least = low(a, b);
  b = high(a, b);
  a = least;
}

// The median of nine, by the least number of exchanges (Paeth, Graphics Gems, 1990).
template <class T>
T median9(T p0, T p1, T p2, T p3, T p4, T p5, T p6, T p7, T p8) {
  sort2(p1, p2), sort2(p4, p5), sort2(p7, p8);
  sort2(p0, p1), sort2(p3, p4), sort2(p6, p7);
  sort2(p1, p2), sort2(p4, p5), sort2(p7, p8);
  p3 = high(p0, p3), p5 = low(p5, p8), sort2(p4, p7);
  p6 = high(p3, p6), p4 = high(p1, p4), p2 = low(p2, p5);
  p4 = low(p4, p7), sort2(p4, p2);
  p4 = high(p6, p4);
  return low(p4, p2);
}

inline void median(const float* in, int width, int height, float* out) {
  parallel_for(height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const float* b = in + y * width;
      const float* a = y > 0 ? b - width : b;
      const float* c = y + 1 < height ? b + width : b;
      float* to = out + y * width;
      int x = 1;
      for (; x + 9 <= width; x += 8) {
        store8(to + x, median9(load8(a + x - 1), load8(a + x), load8(a + x + 1), load8(b + x - 1), load8(b + x),
                               load8(b + x + 1), load8(c + x - 1), load8(c + x), load8(c + x + 1)));
      }
      for (; x + 1 < width; ++x) {
        to[x] = median9(a[x - 1], a[x], a[x + 1], b[x - 1], b[x], b[x + 1], c[x - 1], c[x], c[x + 1]);
      }
      to[0] = b[0];
      to[width - 1] = b[width - 1];
    }
  });
}

}  // namespace vsvfi::flow
