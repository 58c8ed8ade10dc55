// Eight floats at a time: the compiler's vector type where it has one, a plain array elsewhere.
#pragma once

#include <cstring>

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wpsabi"  // never passed between libraries
#endif

namespace vsvfi::flow {

#if defined(__GNUC__)
typedef float Vec8 __attribute__((vector_size(32)));
#else
struct Vec8 {
  float lane[8];
  float operator[](int k) const { return lane[k]; }
};
#define VSVFI_FLOW_OPERATOR(op)                                      \
  inline Vec8 operator op(Vec8 a, Vec8 b) {                          \
    for (int k = 0; k < 8; ++k) a.lane[k] = a.lane[k] op b.lane[k];  \
    return a;                                                        \
  }                                                                  \
  inline Vec8 operator op(Vec8 a, float b) {                         \
    for (int k = 0; k < 8; ++k) a.lane[k] = a.lane[k] op b;          \
    return a;                                                        \
  }                                                                  \
  inline Vec8& operator op##=(Vec8& a, Vec8 b) { return a = a op b; }
VSVFI_FLOW_OPERATOR(+)
VSVFI_FLOW_OPERATOR(-)
VSVFI_FLOW_OPERATOR(*)
VSVFI_FLOW_OPERATOR(/)
#undef VSVFI_FLOW_OPERATOR
#endif

inline Vec8 load8(const float* from) {
  Vec8 v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

inline void store8(float* to, Vec8 v) { std::memcpy(to, &v, sizeof v); }

inline float sum8(Vec8 v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

}  // namespace vsvfi::flow
