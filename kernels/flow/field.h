// Motion on a grid, as it passes from the search to the picture.
#pragma once

#include "flow/simd.h"

namespace vsvfi::flow {

// One vector, in grid steps. `doubt` is 0 where both frames agree along it and 1 where they do not; `weight` is how far
// it can be trusted.
struct Vector {
  float x, y, doubt, weight;
};

#if defined(__GNUC__)
typedef float Vec4 __attribute__((vector_size(16)));
#else
struct Vec4 {
  float lane[4];
  float operator[](int k) const { return lane[k]; }
};
inline Vec4 operator+(Vec4 a, const Vec4& b) {
  for (int k = 0; k < 4; ++k) a.lane[k] += b.lane[k];
  return a;
}
inline Vec4 operator*(Vec4 a, const Vec4& b) {
  for (int k = 0; k < 4; ++k) a.lane[k] *= b.lane[k];
  return a;
}
inline Vec4 operator*(Vec4 a, float b) {
  for (float& lane : a.lane) lane *= b;
  return a;
}
#endif

// The four numbers of a vector, for arithmetic.
inline Vec4 load4(const Vector& from) {
  Vec4 v;
  std::memcpy(&v, &from, sizeof v);
  return v;
}

inline void store4(Vector& to, Vec4 v) { std::memcpy(&to, &v, sizeof v); }

}  // namespace vsvfi::flow
