#include "ops/adaptive_warp.h"

#include "ops/cpu.h"

VSVFI_GATHER(adaptive_warp, AdaptiveWarp, 4, 0)
VSVFI_GATHER(adaptive_warp_grad_kernels, AdaptiveWarpGradKernels, 4, 0)
VSVFI_SCATTER(adaptive_warp_grad_image, AdaptiveWarpGradImage, 4, 0)
