#include "ops/separable_conv.h"

#include "ops/cpu.h"

VSVFI_GATHER(separable_conv, SeparableConv, 0)
VSVFI_GATHER(separable_conv_grad_kernel, SeparableConvGradKernel, 0, 1)
VSVFI_GATHER(separable_conv_grad_image, SeparableConvGradImage, 0)
