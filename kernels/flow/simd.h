// Eight floats at a time: the compiler's vector type where it has one, a plain array elsewhere.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__) && defined(__GNUC__)
#include <immintrin.h>
#endif

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wpsabi"  // never passed between libraries
#endif

namespace vsvfi::flow {

#if defined(__GNUC__)

typedef float Vec8 __attribute__((vector_size(32)));

inline Vec8 min8(Vec8 a, Vec8 b) { return a < b ? a : b; }
inline Vec8 max8(Vec8 a, Vec8 b) { return a > b ? a : b; }
inline Vec8 number8(Vec8 a) { return a == a ? a : Vec8{}; }  // 0 instead of NaN

#else

struct Vec8 {
  float lane[8];
  float operator[](int k) const { return lane[k]; }
};

#define VSVFI_LANES(expression)                        \
  Vec8 out;                                            \
  for (int k = 0; k < 8; ++k) out.lane[k] = expression; \
  return out;
#define VSVFI_OPERATOR(op)                                                               \
  inline Vec8 operator op(const Vec8& a, const Vec8& b) { VSVFI_LANES(a[k] op b[k]) }    \
  inline Vec8 operator op(const Vec8& a, float b) { VSVFI_LANES(a[k] op b) }             \
  inline Vec8 operator op(float a, const Vec8& b) { VSVFI_LANES(a op b[k]) }             \
  inline Vec8& operator op##=(Vec8& a, const Vec8& b) { return a = a op b; }
VSVFI_OPERATOR(+)
VSVFI_OPERATOR(-)
VSVFI_OPERATOR(*)
VSVFI_OPERATOR(/)
inline Vec8 min8(const Vec8& a, const Vec8& b) { VSVFI_LANES(a[k] < b[k] ? a[k] : b[k]) }
inline Vec8 max8(const Vec8& a, const Vec8& b) { VSVFI_LANES(a[k] > b[k] ? a[k] : b[k]) }
inline Vec8 number8(const Vec8& a) { VSVFI_LANES(a[k] == a[k] ? a[k] : 0.0f) }
#undef VSVFI_OPERATOR
#undef VSVFI_LANES

#endif

inline Vec8 all8(float value) { return Vec8{} + value; }

inline Vec8 abs8(Vec8 v) { return max8(v, Vec8{} - v); }

inline float sum8(Vec8 v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }

inline Vec8 load8(const float* from) {
  Vec8 v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

inline void store8(float* to, Vec8 v) { std::memcpy(to, &v, sizeof v); }

// Compilers do not find the instructions that widen integers on their own.
inline Vec8 load8(const uint8_t* from) {
#if defined(__AVX2__) && defined(__GNUC__)
  return (Vec8)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#elif defined(__SSE2__) && defined(__GNUC__)
  const __m128i zero = _mm_setzero_si128();
  const __m128i words = _mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)), zero);
  const __m128 halves[2] = {_mm_cvtepi32_ps(_mm_unpacklo_epi16(words, zero)),
                            _mm_cvtepi32_ps(_mm_unpackhi_epi16(words, zero))};
  return load8(reinterpret_cast<const float*>(halves));
#else
  float values[8];
  for (int k = 0; k < 8; ++k) values[k] = from[k];
  return load8(values);
#endif
}

inline Vec8 load8(const uint16_t* from) {
#if defined(__AVX2__) && defined(__GNUC__)
  return (Vec8)_mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__SSE2__) && defined(__GNUC__)
  const __m128i zero = _mm_setzero_si128();
  const __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  const __m128 halves[2] = {_mm_cvtepi32_ps(_mm_unpacklo_epi16(words, zero)),
                            _mm_cvtepi32_ps(_mm_unpackhi_epi16(words, zero))};
  return load8(reinterpret_cast<const float*>(halves));
#else
  float values[8];
  for (int k = 0; k < 8; ++k) values[k] = from[k];
  return load8(values);
#endif
}

// Values must lie in 0 ... 255 (or 65535); they are truncated.
inline void store8(uint8_t* to, Vec8 v) {
#if defined(__AVX2__) && defined(__GNUC__)
  const __m256i words = _mm256_cvttps_epi32((__m256)v);
  const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(packed, packed));
#else
  for (int k = 0; k < 8; ++k) to[k] = static_cast<uint8_t>(static_cast<int>(v[k]));
#endif
}

inline void store8(uint16_t* to, Vec8 v) {
#if defined(__AVX2__) && defined(__GNUC__)
  const __m256i words = _mm256_cvttps_epi32((__m256)v);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
#else
  for (int k = 0; k < 8; ++k) to[k] = static_cast<uint16_t>(static_cast<int>(v[k]));
#endif
}

}  // namespace vsvfi::flow
