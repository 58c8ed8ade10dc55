#include "ops/backward_warp.h"

#include "ops/cpu.h"

VSVFI_GATHER(backward_warp, BackwardWarp, 2, 4)
VSVFI_GATHER(backward_warp_grad_flow, BackwardWarpGradFlow, 2, 4)
VSVFI_SCATTER(backward_warp_grad_image, BackwardWarpGradImage, 2, 4)
