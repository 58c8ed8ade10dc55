// The CUDA kernels as a CPU sees them: kernels/ops/launch.h compiled by a C++ compiler, its threads run one after another.
// A test links nothing else; it shows that the code which only NVRTC compiles computes what the CPU's build does.
#define __CUDACC_RTC__
#define __device__
#define __global__
#define __forceinline__ inline
#define asm(...)

#include <cmath>
#include <cstring>

struct Index {
  unsigned x, y;
};
static Index blockIdx, threadIdx, blockDim, gridDim;

template <class T>
T atomicAdd(T* p, T v) {
  const T before = *p;
  *p += v;
  return before;
}
static float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
static double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
static float __uint_as_float(unsigned v) {
  float f;
  std::memcpy(&f, &v, sizeof f);
  return f;
}
static unsigned __float_as_uint(float v) {
  unsigned u;
  std::memcpy(&u, &v, sizeof u);
  return u;
}
using std::exp;

#include "ops/launch.h"

// Three rows of blocks: most problems have more rows, some fewer.
template <class Kernel>
int emulate(const void* arguments, const vsvfi::Extent& extent) {
  blockDim.x = 32;
  gridDim.y = 3;
  for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
    for (blockIdx.x = 0; blockIdx.x * 32LL < extent.width; ++blockIdx.x)
      for (threadIdx.x = 0; threadIdx.x < 32; ++threadIdx.x)
        vsvfi::launch<Kernel>(*static_cast<const typename Kernel::Arguments*>(arguments), extent);
  return 0;
}

#define EMULATE(name, Kernel, ...)                                                                              \
  template <int... variants>                                                                                    \
  static int name##_any(const void* arguments, const vsvfi::Extent& extent, int variant, int is_double) {       \
    int status = 2;                                                                                             \
    ((variant == variants ? void(status = is_double ? emulate<vsvfi::Kernel<double, variants>>(arguments, extent) \
                                                    : emulate<vsvfi::Kernel<float, variants>>(arguments, extent)) \
                          : void()),                                                                            \
     ...);                                                                                                      \
    return status;                                                                                              \
  }                                                                                                             \
  extern "C" int vsvfi_##name(const void* arguments, long long batch, long long height, long long width,        \
                              long long target_height, int variant, int is_double) {                            \
    return name##_any<__VA_ARGS__>(arguments, {batch, height, width, target_height}, variant, is_double);       \
  }
