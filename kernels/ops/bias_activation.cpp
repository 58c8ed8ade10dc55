#include "ops/bias_activation.h"

#include "ops/cpu.h"

VSVFI_GATHER(bias_activation, BiasActivation, 1, 4, 8)
