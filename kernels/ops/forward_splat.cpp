#include "ops/forward_splat.h"

#include "ops/cpu.h"

VSVFI_SCATTER(forward_splat, ForwardSplat, 0)
VSVFI_GATHER(forward_splat_gather, ForwardSplatGather, 0)
VSVFI_GATHER(forward_splat_divide, ForwardSplatDivide, 0, 1, 2)
VSVFI_GATHER(forward_splat_grad, ForwardSplatGrad, 0)
