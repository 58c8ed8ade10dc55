#include "ops/correlation_lookup.h"

#include "ops/cpu.h"

VSVFI_GATHER(correlation_lookup, CorrelationLookup, 0)
VSVFI_GATHER(correlation_lookup_grad, CorrelationLookupGrad, 0)
