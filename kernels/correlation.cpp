#include "correlation.h"

#include "cpu.h"

VSVFI_GATHER(correlation, Correlation, 0)
VSVFI_GATHER(correlation_grad, CorrelationGrad, 0, 1)
