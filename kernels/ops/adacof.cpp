#include "ops/adacof.h"

#include "ops/cpu.h"

VSVFI_GATHER(adacof, Adacof, 0)
VSVFI_GATHER(adacof_grad, AdacofGrad, 0)
VSVFI_SCATTER(adacof_grad_image, AdacofGradImage, 0)
