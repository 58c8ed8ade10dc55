#include "ops/correlation.h"

#include "ops/cpu.h"

VSVFI_GATHER(correlation, Correlation, 0)
VSVFI_GATHER(correlation_grad, CorrelationGrad, 0, 1)
