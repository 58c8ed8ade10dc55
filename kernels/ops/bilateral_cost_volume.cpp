#include "ops/bilateral_cost_volume.h"

#include "ops/cpu.h"

VSVFI_GATHER(bilateral_cost_volume, BilateralCostVolume, 0)
VSVFI_SCATTER(bilateral_cost_volume_grad_map, BilateralCostVolumeGradMap, 0, 1)
VSVFI_GATHER(bilateral_cost_volume_grad_motion, BilateralCostVolumeGradMotion, 0)
