#include "ops/color.h"

#include "ops/cpu.h"

VSVFI_GATHER(planes_to_rgb, PlanesToRgb, 3, 9)
VSVFI_GATHER(rgb_to_planes, RgbToPlanes, 1)
