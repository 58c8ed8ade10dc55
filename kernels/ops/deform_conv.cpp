#include "ops/deform_conv.h"

#include "ops/cpu.h"

VSVFI_GATHER(deform_columns, DeformColumns, 0)
VSVFI_GATHER(deform_grad_offset, DeformGradOffset, 0)
VSVFI_SCATTER(deform_grad_image, DeformGradImage, 0)
