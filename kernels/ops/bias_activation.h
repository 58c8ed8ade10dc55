// What follows a convolution, in one pass: bias, a residual, and a rectifier whose slope below zero is the channel's.
#pragma once

#include "ops/kernel.h"

namespace vsvfi {

// Tensors are (N, H, W, C) in memory; a row is one of H.
struct BiasActivationArguments {
  const void* input;     // of T
  const void* bias;      // (C,) of float
  const void* slope;     // (C,) of float
  const void* residual;  // as the input, or none
  void* output;          // its pixels `apart` elements apart
  int64 channels, row_length, apart;  // row_length = W * C
};

template <class T, int size>
struct alignas(sizeof(T) * size) Pack {
  T value[size];
};

// A span's unit is `size` neighbouring elements of a row, which one load brings: all counts of channels are multiples.
template <class T, int size>
struct BiasActivation : BiasActivationArguments {
  using Arguments = BiasActivationArguments;

  VSVFI_FN explicit BiasActivation(const Arguments& arguments) : BiasActivationArguments(arguments) {}

  VSVFI_FN void span(int64 row, int x, int count) const {
    using Vector = Pack<T, size>;
    const int64 start = row * (row_length / size) + x;
    const Vector* in = static_cast<const Vector*>(input) + start;
    const Vector* more = residual ? static_cast<const Vector*>(residual) + start : nullptr;
    Vector* out = static_cast<Vector*>(output) + row * (row_length / channels) * apart / size;
    const float* biases = static_cast<const float*>(bias);
    const float* slopes = static_cast<const float*>(slope);
    for (int i = 0; i < count; ++i) {
      const unsigned element = static_cast<unsigned>(x + i) * size, pixel = element / static_cast<unsigned>(channels);
      const int first = static_cast<int>(element - pixel * static_cast<unsigned>(channels));
      const Vector given = in[i];
      Vector made = more ? more[i] : given;
      for (int k = 0; k < size; ++k) {
        const float extra = more ? static_cast<float>(load(made.value, k)) : 0.0f;
        const float v = static_cast<float>(load(given.value, k)) + biases[first + k] + extra;
        store(made.value, k, v < 0.0f ? v * slopes[first + k] : v);
      }
      out[(static_cast<int64>(pixel) * apart + first) / size] = made;
    }
  }
};

}  // namespace vsvfi
