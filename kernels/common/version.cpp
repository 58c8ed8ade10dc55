// What Python asks before it uses a build of these kernels.
#include "common/api.h"

#if defined(_MSC_VER) && defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
#endif

// The version of the C interface between vsvfi and these kernels; it changes whenever a signature does.
VSVFI_API int vsvfi_kernels_abi() { return 7; }

// Whether this machine runs the build for x86-64-v3 (AVX2, FMA, BMI2).
VSVFI_API int vsvfi_kernels_v3_supported() {
#if defined(_MSC_VER) && defined(_M_X64)
  int one[4], seven[4];
  __cpuid(one, 1);
  __cpuidex(seven, 7, 0);
  const bool fma = one[2] & (1 << 12), osxsave = one[2] & (1 << 27);
  const bool avx2 = seven[1] & (1 << 5), bmi2 = seven[1] & (1 << 8);
  return fma && avx2 && bmi2 && osxsave && (_xgetbv(0) & 6) == 6;
#elif defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#else
  return 0;
#endif
}
