// Samples of native planes: 8- and 16-bit integers, half and float, read as float and written back.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "flow/simd.h"

namespace vsvfi::flow {

enum SampleKind : int32_t { kUint8 = 0, kUint16 = 1, kFloat16 = 2, kFloat32 = 3 };

// One plane of a frame; mirrors the class of the same name in vsvfi/compiled/flow.py.
struct Plane {
  void* data;
  int64_t stride;  // bytes from row to row
  int32_t width, height;
  int32_t kind;  // SampleKind
  float peak;    // the greatest integer sample, 1 for floats
};

inline float half_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7fffu) << 13;
  // The exponent is rebiased by a multiplication, which also makes subnormals right.
  float value;
  std::memcpy(&value, &magnitude, 4);
  value *= 5.192296858534828e33f;  // 2^112
  uint32_t word;
  std::memcpy(&word, &value, 4);
  if ((bits & 0x7c00u) == 0x7c00u) word = 0x7f800000u | (magnitude & 0x007fffffu);
  word |= sign;
  std::memcpy(&value, &word, 4);
  return value;
}

// Rounds to nearest, ties to even; the value must be finite.
inline uint16_t float_to_half(float value) {
  uint32_t word;
  std::memcpy(&word, &value, 4);
  const uint32_t sign = (word >> 16) & 0x8000u;
  word &= 0x7fffffffu;
  if (word >= 0x477fe000u) return static_cast<uint16_t>(sign | 0x7bffu);
  if (word < 0x38800000u) {  // subnormal: let the addition round at the right bit
    float magnitude;
    std::memcpy(&magnitude, &word, 4);
    magnitude += 0.5f;
    std::memcpy(&word, &magnitude, 4);
    return static_cast<uint16_t>(sign | (word - 0x3f000000u));
  }
  word += 0xc8000fffu + ((word >> 13) & 1u);
  return static_cast<uint16_t>(sign | (word >> 13));
}

// A finite sample: NaN becomes 0, infinities become the largest half.
inline float finite(float value) {
  if (!(value == value)) return 0.0f;
  return std::min(std::max(value, -65504.0f), 65504.0f);
}

inline Vec8 finite8(Vec8 values) {
  return min8(max8(number8(values), all8(-65504.0f)), all8(65504.0f));
}

template <int Kind>
struct Sample;

template <class T>
struct IntegerSample {
  using Type = T;
  static float load(Type sample) { return sample; }
  static Vec8 load_run(const Type* from) { return load8(from); }
  static void store_run(Type* to, Vec8 values, float peak) {
    store8(to, min8(max8(values, Vec8{}), all8(peak)) + 0.5f);
  }
  static Type store(float value, float peak) {
    return static_cast<Type>(static_cast<int>(std::min(std::max(value, 0.0f), peak) + 0.5f));
  }
};

template <>
struct Sample<kUint8> : IntegerSample<uint8_t> {};

template <>
struct Sample<kUint16> : IntegerSample<uint16_t> {};

template <>
struct Sample<kFloat16> {
  using Type = uint16_t;
  static float load(Type sample) { return finite(half_to_float(sample)); }
#if defined(__F16C__) && defined(__GNUC__)
  static Vec8 load_run(const Type* from) {
    return finite8((Vec8)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
  }
  static void store_run(Type* to, Vec8 values, float) {
    const Vec8 limited = min8(max8(values, all8(-65504.0f)), all8(65504.0f));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph((__m256)limited, _MM_FROUND_TO_NEAREST_INT));
  }
#else
  static Vec8 load_run(const Type* from) {
    float values[8];
    for (int k = 0; k < 8; ++k) values[k] = load(from[k]);
    return load8(values);
  }
  static void store_run(Type* to, Vec8 values, float) {
    for (int k = 0; k < 8; ++k) to[k] = float_to_half(values[k]);
  }
#endif
  static Type store(float value, float) { return float_to_half(value); }
};

template <>
struct Sample<kFloat32> {
  using Type = float;
  static float load(Type sample) { return finite(sample); }
  static Vec8 load_run(const Type* from) { return finite8(load8(from)); }
  static void store_run(Type* to, Vec8 values, float) { store8(to, values); }
  static Type store(float value, float) { return value; }
};

template <class Function>
void with_kind(int32_t kind, Function&& function) {
  switch (kind) {
    case kUint8: return function(Sample<kUint8>{});
    case kUint16: return function(Sample<kUint16>{});
    case kFloat16: return function(Sample<kFloat16>{});
    default: return function(Sample<kFloat32>{});
  }
}

template <class S>
const typename S::Type* row_of(const Plane& plane, int y) {
  return reinterpret_cast<const typename S::Type*>(static_cast<const char*>(plane.data) + y * plane.stride);
}

template <class S>
typename S::Type* writable_row_of(const Plane& plane, int y) {
  return reinterpret_cast<typename S::Type*>(static_cast<char*>(plane.data) + y * plane.stride);
}

inline int clamp_index(int index, int size) { return index < 0 ? 0 : (index >= size ? size - 1 : index); }

}  // namespace vsvfi::flow
