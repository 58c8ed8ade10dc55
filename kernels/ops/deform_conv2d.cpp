#include "ops/deform_conv2d.h"

#include "ops/cpu.h"

VSVFI_GATHER(deform_conv2d_columns, DeformConv2dColumns, 0)
VSVFI_GATHER(deform_conv2d_grad_offset, DeformConv2dGradOffset, 0)
VSVFI_SCATTER(deform_conv2d_grad_image, DeformConv2dGradImage, 0)
