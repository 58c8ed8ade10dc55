// Runs kernels on the CPU: rows over threads, and the functions that Python calls.
#pragma once

#include <algorithm>
#include <cstdint>
#include <new>
#include <vector>

#include "common/api.h"
#include "ops/kernel.h"
#include "common/parallel.h"

namespace vsvfi {

// The size of the problem: rows of all samples, their width, and for scatters the rows of the target.
struct Extent {
  int64 batch, height, width, target_height;
};

template <class Kernel>
void gather(const Kernel& kernel, const Extent& extent) {
  const int64 rows = extent.batch * extent.height;
  const int width = static_cast<int>(extent.width);
  const int64 grain = std::max<int64>(1, rows / (8 * Pool::instance().threads()));
  parallel_for(rows, std::min<int64>(grain, 32), [&](int64 begin, int64 end) {
    for (int64 row = begin; row < end; ++row)
      for (int x = 0; x < width; x += kLanes) kernel.span(row, x, std::min(kLanes, width - x));
  });
}

// Each thread adds to a band of target rows of its own, and passes over the source rows that reach it.
template <class Kernel>
void scatter(const Kernel& kernel, const Extent& extent) {
  const int64 rows = extent.batch * extent.height;
  const int width = static_cast<int>(extent.width);
  const int64 threads = Pool::instance().threads();
  const int64 bands = threads == 1 ? 1 : std::max<int64>(1, std::min(extent.target_height / 8, 4 * threads));
  std::vector<Rows> reached(rows, Rows{0, INT32_MAX});
  if (bands > 1)
    parallel_for(rows, 16, [&](int64 begin, int64 end) {
      for (int64 row = begin; row < end; ++row) {
        Rows whole;
        for (int x = 0; x < width; x += kLanes) {
          const Rows part = kernel.targets(row, x, std::min(kLanes, width - x));
          whole.add(part.first, part.last);
        }
        reached[row] = whole;
      }
    });
  parallel_for(extent.batch * bands, 1, [&](int64 job, int64 last_job) {
    for (; job < last_job; ++job) {
      const int64 sample = job / bands, band = job % bands;
      const int begin = static_cast<int>(extent.target_height * band / bands);
      const int end = static_cast<int>(extent.target_height * (band + 1) / bands);
      for (int64 row = sample * extent.height; row < (sample + 1) * extent.height; ++row) {
        if (reached[row].last < begin || reached[row].first >= end) continue;
        for (int x = 0; x < width; x += kLanes) kernel.span(row, x, std::min(kLanes, width - x), begin, end);
      }
    }
  });
}

enum Status { kOk = 0, kOutOfMemory = 1, kUnknownVariant = 2 };

template <class Kernel>
Status run_gather(const void* arguments, const Extent& extent) {
  gather(Kernel(*static_cast<const typename Kernel::Arguments*>(arguments)), extent);
  return kOk;
}

template <class Kernel>
Status run_scatter(const void* arguments, const Extent& extent) {
  try {
    scatter(Kernel(*static_cast<const typename Kernel::Arguments*>(arguments)), extent);
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
  return kOk;
}

}  // namespace vsvfi

// Define the function that runs `Kernel<T, variant>` for float or double, in each of the listed variants.
#define VSVFI_DEFINE(how, name, Kernel, ...)                                                                       \
  template <int... variants>                                                                                       \
  static int name##_dispatch(const void* arguments, const vsvfi::Extent& extent, int variant, int is_double) {     \
    int status = vsvfi::kUnknownVariant;                                                                           \
    ((variant == variants ? void(status = is_double ? vsvfi::how<vsvfi::Kernel<double, variants>>(arguments, extent) \
                                                    : vsvfi::how<vsvfi::Kernel<float, variants>>(arguments, extent)) \
                          : void()),                                                                               \
     ...);                                                                                                         \
    return status;                                                                                                 \
  }                                                                                                                \
  VSVFI_API int vsvfi_##name(const void* arguments, int64 batch, int64 height, int64 width, int64 target_height,   \
                             int variant, int is_double) {                                                         \
    return name##_dispatch<__VA_ARGS__>(arguments, {batch, height, width, target_height}, variant, is_double);     \
  }
#define VSVFI_GATHER(name, Kernel, ...) VSVFI_DEFINE(run_gather, name, Kernel, __VA_ARGS__)
#define VSVFI_SCATTER(name, Kernel, ...) VSVFI_DEFINE(run_scatter, name, Kernel, __VA_ARGS__)
