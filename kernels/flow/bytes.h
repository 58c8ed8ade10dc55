// Sixteen samples of bytes at a time, in 16-bit integers: one instruction each where there is AVX2, and elsewhere loops
// with the same results.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__) && defined(__GNUC__)
#include <immintrin.h>
#define VSVFI_BYTES_AVX2 1
#endif

namespace vsvfi::flow {

constexpr int kAcrossOne = 64;     // one, among weights of neighbours in a row
constexpr int kDownOne = 1 << 14;  // one, among weights of rows
constexpr int kSampleOne = 32;     // one step of a sample, in what `filtered` and `widened` return

#if defined(VSVFI_BYTES_AVX2)

struct Words16 {
  __m256i v;
};

inline Words16 operator+(Words16 a, Words16 b) { return {_mm256_add_epi16(a.v, b.v)}; }
inline Words16 operator-(Words16 a, Words16 b) { return {_mm256_sub_epi16(a.v, b.v)}; }

// a * b / 2^15, rounded.
inline Words16 product(Words16 a, Words16 b) { return {_mm256_mulhrs_epi16(a.v, b.v)}; }
inline Words16 all16(int16_t value) { return {_mm256_set1_epi16(value)}; }

// start + slope * i, at most 32767, truncated.
inline Words16 ramp16(float start, float slope) {
  const __m256 lanes = _mm256_setr_ps(0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f), most = _mm256_set1_ps(32767.0f);
  const auto eight = [&](float offset) {
    const __m256 at = _mm256_add_ps(lanes, _mm256_set1_ps(offset));
    const __m256 value = _mm256_add_ps(_mm256_set1_ps(start), _mm256_mul_ps(_mm256_set1_ps(slope), at));
    return _mm256_cvttps_epi32(_mm256_min_ps(value, most));
  };
  return {_mm256_permute4x64_epi64(_mm256_packs_epi32(eight(0.0f), eight(8.0f)), 0xd8)};
}

// Samples as they are, times kSampleOne.
inline Words16 widened(const uint8_t* from) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return {_mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 5)};
}

// Sums of Taps neighbours by their weights, from each of 16 samples on; reads 24.
template <int Taps>
Words16 across16(const uint8_t* from, const int8_t* weights) {
  const __m256i bytes = _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(from + 8),
                                            reinterpret_cast<const __m128i*>(from));
  const __m256i pairs =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8));
  __m256i sum = _mm256_setzero_si256();
  for (int k = 0; k < Taps; k += 2) {
    int16_t both;
    std::memcpy(&both, weights + k, 2);
    const __m256i moved = _mm256_shuffle_epi8(bytes, _mm256_add_epi8(pairs, _mm256_set1_epi8(static_cast<char>(k))));
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(moved, _mm256_set1_epi16(both)));
  }
  return {sum};
}

// The first `Count` eights of samples, rounded and cut to what a byte holds.
template <int Count>
void store_bytes(uint8_t* to, Words16 values) {
  const __m256i steps = _mm256_srai_epi16(_mm256_add_epi16(values.v, _mm256_set1_epi16(kSampleOne / 2)), 5);
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(steps), _mm256_extracti128_si256(steps, 1));
  if (Count == 2) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
  } else {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), bytes);
  }
}

// The first `Count` eights of words.
template <int Count>
void store_words(int16_t* to, Words16 values) {
  if (Count == 2) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), values.v);
  } else {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(values.v));
  }
}

#else

struct Words16 {
  int16_t v[16];
};

#define VSVFI_WORDS(expression)                                                       \
  Words16 out;                                                                        \
  for (int i = 0; i < 16; ++i) out.v[i] = static_cast<int16_t>(expression);           \
  return out;

inline Words16 operator+(const Words16& a, const Words16& b) { VSVFI_WORDS(a.v[i] + b.v[i]) }
inline Words16 operator-(const Words16& a, const Words16& b) { VSVFI_WORDS(a.v[i] - b.v[i]) }
inline Words16 product(const Words16& a, const Words16& b) { VSVFI_WORDS((a.v[i] * b.v[i] + (1 << 14)) >> 15) }
inline Words16 all16(int16_t value) { VSVFI_WORDS(value) }
inline Words16 ramp16(float start, float slope) {
  VSVFI_WORDS(static_cast<int>(std::min(start + slope * static_cast<float>(i), 32767.0f)))
}
inline Words16 widened(const uint8_t* from) { VSVFI_WORDS(from[i] * kSampleOne) }

template <int Taps>
Words16 across16(const uint8_t* from, const int8_t* weights) {
  Words16 out = {};
  for (int k = 0; k < Taps; ++k) {
    for (int i = 0; i < 16; ++i) out.v[i] = static_cast<int16_t>(out.v[i] + from[i + k] * weights[k]);
  }
  return out;
}

template <int Count>
void store_bytes(uint8_t* to, const Words16& values) {
  for (int i = 0; i < 8 * Count; ++i) {
    to[i] = static_cast<uint8_t>(std::min(std::max((values.v[i] + kSampleOne / 2) >> 5, 0), 255));
  }
}

template <int Count>
void store_words(int16_t* to, const Words16& values) {
  for (int i = 0; i < 8 * Count; ++i) to[i] = values.v[i];
}

#undef VSVFI_WORDS

#endif

// 2 s (1 - s) of shares s, all in units of 1 / 2^15.
inline Words16 doubled(const Words16& shares) {
  const Words16 half = product(shares, all16(32767) - shares);
  return half + half;
}

// One sample: Taps rows of neighbours by both weights, times kAcrossOne * kDownOne.
template <int Taps>
int filtered_sample(const uint8_t* from, int64_t stride, const int8_t* across, const int16_t* down) {
#if defined(VSVFI_BYTES_AVX2)
  __m128i sum = _mm_setzero_si128();
  __m128i weights = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(across));
  weights = Taps == 4 ? _mm_shuffle_epi32(weights, 0) : _mm_unpacklo_epi64(weights, weights);
  constexpr int kRows = 16 / Taps;
  for (int j = 0; j < Taps; j += kRows) {
    __m128i bytes, rows;
    const uint8_t* row = from + j * stride;
    if (Taps == 4) {
      int32_t four[4];
      for (int k = 0; k < 4; ++k) std::memcpy(&four[k], row + k * stride, 4);
      bytes = _mm_setr_epi32(four[0], four[1], four[2], four[3]);
      rows = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(down));
      rows = _mm_unpacklo_epi16(rows, rows);
    } else {
      bytes = _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(row)),
                                 _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + stride)));
      const __m128i both = _mm_unpacklo_epi16(_mm_set1_epi16(down[j]), _mm_set1_epi16(down[j + 1]));
      rows = _mm_unpacklo_epi64(_mm_shufflelo_epi16(both, 0x00), _mm_shufflelo_epi16(both, 0x55));
    }
    sum = _mm_add_epi32(sum, _mm_madd_epi16(_mm_maddubs_epi16(bytes, weights), rows));
  }
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
#else
  int sum = 0;
  for (int j = 0; j < Taps; ++j) {
    int row = 0;
    for (int k = 0; k < Taps; ++k) row += from[j * stride + k] * across[k];
    sum += row * down[j];
  }
  return sum;
#endif
}

}  // namespace vsvfi::flow
