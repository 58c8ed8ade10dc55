// Runs kernels on a GPU: what NVRTC compiles. One thread a pixel; a scatter's band is the whole target.
// The grid's first axis runs along a row, its second over the rows of all samples, so that nothing is divided.
#pragma once

#include "ops/adacof.h"
#include "ops/adaptive_warp.h"
#include "ops/backward_warp.h"
#include "ops/bias_activation.h"
#include "ops/bilateral_cost_volume.h"
#include "ops/color.h"
#include "ops/correlation.h"
#include "ops/correlation_lookup.h"
#include "ops/deform_conv2d.h"
#include "ops/forward_splat.h"
#include "ops/kernel.h"
#include "ops/flow_projection.h"
#include "ops/pyramid.h"
#include "ops/refinement.h"
#include "ops/separable_conv.h"

namespace vsvfi {

struct Extent {
  int64 batch, height, width, target_height;
};

template <class Kernel>
__device__ auto run(const Kernel& kernel, int64 row, int x, const Extent&) -> decltype(kernel.span(row, x, 1)) {
  kernel.span(row, x, 1);
}

template <class Kernel>
__device__ auto run(const Kernel& kernel, int64 row, int x, const Extent& extent)
    -> decltype(kernel.span(row, x, 1, 0, 1)) {
  kernel.span(row, x, 1, 0, static_cast<int>(extent.target_height));
}

template <class Kernel>
__global__ void launch(const typename Kernel::Arguments arguments, const Extent extent) {
  const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (x >= extent.width) return;
  const Kernel kernel(arguments);
  const int64 rows = extent.batch * extent.height;
  for (int64 row = blockIdx.y; row < rows; row += gridDim.y) run(kernel, row, x, extent);
}

}  // namespace vsvfi
