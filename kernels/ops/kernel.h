// What every kernel is made of, in the subset common to C++17 and CUDA C++ (NVRTC, without any header).
//
// A kernel is a struct: the fields of its arguments (8 bytes each, so that Python can pack them), and
//   void span(int64 row, int x, int count) const                          for gathers, and
//   void span(int64 row, int x, int count, int begin, int end) const     for scatters, with
//   Rows targets(int64 row, int x, int count) const                      the rows that such a span reaches,
// which work on `count` neighbouring pixels of one row (row = sample * height + y). On a CPU a span has up to kLanes
// pixels, and loops over lanes are what the compiler vectorises; on a GPU it has one, and those loops vanish.
// A scatter adds to the target rows [begin, end) only: threads of a CPU own a band of rows each, which makes the sum's
// order, and so every bit, independent of their number. A GPU passes all rows and adds atomically.
#pragma once

#if defined(__CUDACC_RTC__)
#define VSVFI_FN __device__ __forceinline__
using int64 = long long;
#else
#include <cmath>
#include <cstdint>
#include <cstring>
#define VSVFI_FN inline
using int64 = std::int64_t;
#endif

namespace vsvfi {

#if defined(__CUDACC_RTC__)
constexpr int kLanes = 1;
#else
constexpr int kLanes = 64;
#endif

// Channels that are summed at once, in registers or in the first-level cache.
constexpr int kChannels = 8;

// Storage types; sums and coordinates are held in Accumulator<T>.
struct Half {
  unsigned short bits;
};
struct BFloat16 {
  unsigned short bits;
};

template <class T>
struct AccumulatorOf {
  using type = float;
};
template <>
struct AccumulatorOf<double> {
  using type = double;
};
template <class T>
using Accumulator = typename AccumulatorOf<T>::type;

VSVFI_FN float load(const float* p, int64 i) { return p[i]; }
VSVFI_FN double load(const double* p, int64 i) { return p[i]; }
VSVFI_FN void store(float* p, int64 i, float v) { p[i] = v; }
VSVFI_FN void store(double* p, int64 i, double v) { p[i] = v; }

#if defined(__CUDACC_RTC__)
VSVFI_FN float half_to_float(unsigned short bits) {
  float v = 0.0f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(bits));
  return v;
}
VSVFI_FN unsigned short float_to_half(float v) {
  unsigned short bits = 0;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(v));
  return bits;
}
VSVFI_FN float load(const Half* p, int64 i) { return half_to_float(p[i].bits); }
VSVFI_FN void store(Half* p, int64 i, float v) { p[i].bits = float_to_half(v); }
VSVFI_FN float load(const BFloat16* p, int64 i) { return __uint_as_float(static_cast<unsigned>(p[i].bits) << 16); }
VSVFI_FN void store(BFloat16* p, int64 i, float v) {
  const unsigned bits = __float_as_uint(v);
  const unsigned rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  p[i].bits = static_cast<unsigned short>(v != v ? 0x7fc0u : rounded);
}
VSVFI_FN void add(float* p, int64 i, float v) { atomicAdd(p + i, v); }
VSVFI_FN void add(double* p, int64 i, double v) { atomicAdd(p + i, v); }
VSVFI_FN float mad(float a, float b, float c) { return __fmaf_rn(a, b, c); }
VSVFI_FN double mad(double a, double b, double c) { return __fma_rn(a, b, c); }
#else
VSVFI_FN float half_to_float(unsigned short bits) {
  // Moved to a float's place, a half is 2^112 times too small, subnormal ones included.
  const std::uint32_t moved = (bits & 0x7fffu) << 13, sign = (bits & 0x8000u) << 16;
  float v;
  std::memcpy(&v, &moved, sizeof v);
  v *= 5.192296858534828e33f;
  std::uint32_t word;
  std::memcpy(&word, &v, sizeof word);
  if ((bits & 0x7c00u) == 0x7c00u) word = moved | 0x7f800000u;  // infinity and NaN
  word |= sign;
  std::memcpy(&v, &word, sizeof v);
  return v;
}
VSVFI_FN unsigned short float_to_half(float v) {
  std::uint32_t word;
  std::memcpy(&word, &v, sizeof word);
  const std::uint32_t sign = (word >> 16) & 0x8000u;
  word &= 0x7fffffffu;
  if (word > 0x7f800000u) return static_cast<unsigned short>(sign | 0x7e00u);
  if (word >= 0x477ff000u) return static_cast<unsigned short>(sign | 0x7c00u);  // rounds to infinity
  float size;
  std::memcpy(&size, &word, sizeof size);
  if (word < 0x38800000u) {  // subnormal: whole steps of 2^-24, rounded by the addition
    size += 0.5f;
    std::memcpy(&word, &size, sizeof word);
    return static_cast<unsigned short>(sign | (word - 0x3f000000u));
  }
  word += 0xfffu + ((word >> 13) & 1u);
  return static_cast<unsigned short>(sign | ((word - 0x38000000u) >> 13));
}
template <class A>
VSVFI_FN void add(A* p, int64 i, A v) {
  p[i] += v;
}
#if defined(__FMA__)
VSVFI_FN float mad(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
VSVFI_FN double mad(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
template <class A>
VSVFI_FN A mad(A a, A b, A c) {
  return a * b + c;
}
#endif
#endif

// v between low and high; NaN becomes low.
template <class A>
VSVFI_FN A limit(A v, A low, A high) {
  v = v > low ? v : low;
  return v < high ? v : high;
}

// An index moved into [0, size).
VSVFI_FN int clamp_index(int v, int size) {
  v = v > 0 ? v : 0;
  return v < size ? v : size - 1;
}

VSVFI_FN bool within(int v, int size) { return v >= 0 && v < size; }

// The largest integer that is not above v, which fits an int.
template <class A>
VSVFI_FN int floor_index(A v) {
  const int i = static_cast<int>(v);
  return i - (v < static_cast<A>(i) ? 1 : 0);
}

#if defined(__CUDACC_RTC__)
template <class A>
VSVFI_FN A exponential(A v) {
  return exp(v);
}
#else
VSVFI_FN double exponential(double v) { return std::exp(v); }

// As std::exp up to rounding, in steps that a compiler vectorises: 2^n exp(r) with |r| <= log(2) / 2, the latter as its
// Taylor series.
VSVFI_FN float exponential(float v) {
  const float low = -105.0f, high = 89.0f;  // 0 and infinity from there on.
  float x = low > v ? low : v;
  x = high < x ? high : x;  // NaN is still NaN, and makes r one; n must be a number.
  const int n = floor_index(limit(v, low, high) * 1.44269504f + 0.5f);
  const float r = (x - static_cast<float>(n) * 0.693359375f) + static_cast<float>(n) * 2.12194440e-4f;
  float e = 1.0f / 5040;
  e = e * r + 1.0f / 720;
  e = e * r + 1.0f / 120;
  e = e * r + 1.0f / 24;
  e = e * r + 1.0f / 6;
  e = e * r + 0.5f;
  e = e * r * r + r + 1.0f;
  // In two halves: 2^n alone may be no float where the product is.
  const int half = n / 2, bits[2] = {(half + 127) * (1 << 23), (n - half + 127) * (1 << 23)};
  float first, second;
  std::memcpy(&first, &bits[0], sizeof first);
  std::memcpy(&second, &bits[1], sizeof second);
  return e * first * second;
}
#endif

// Rows are counted over all samples and fit 32 bits; GPUs divide 64-bit integers slowly.
VSVFI_FN int64 quotient(int64 row, int64 height) { return static_cast<unsigned>(row) / static_cast<unsigned>(height); }
VSVFI_FN int64 remainder(int64 row, int64 height) { return static_cast<unsigned>(row) % static_cast<unsigned>(height); }

VSVFI_FN int smaller(int a, int b) { return a < b ? a : b; }
VSVFI_FN int larger(int a, int b) { return a > b ? a : b; }

// What a kernel works on: tensors of planes with the height and width in `Args`, their rows counted over all samples.
template <class Args>
struct Planes : Args {
  using Arguments = Args;

  VSVFI_FN explicit Planes(const Args& arguments) : Args(arguments) {}

  VSVFI_FN int64 plane() const { return this->height * this->width; }
  VSVFI_FN int64 sample(int64 row) const { return quotient(row, this->height); }
  // A span's place in channel 0 of a tensor with `count` channels.
  VSVFI_FN int64 place(int64 row, int x, int64 count) const {
    return sample(row) * count * plane() + remainder(row, this->height) * this->width + x;
  }
};

// The first and the last target row that a part of a scatter reaches; none at first.
struct Rows {
  int first = 0x7fffffff, last = -1;

  VSVFI_FN void add(int low, int high) {
    first = smaller(first, low);
    last = larger(last, high);
  }
};

// A coordinate in an axis of `size` pixels, at most `margin` pixels outside; NaN counts as far left.
template <class A>
VSVFI_FN A position(A v, int size, int margin) {
  return limit(v, static_cast<A>(-margin), static_cast<A>(size - 1 + margin));
}

}  // namespace vsvfi
