#include "ops/flow_projection.h"

#include "ops/cpu.h"

VSVFI_SCATTER(flow_projection, FlowProjection, 0)
VSVFI_GATHER(flow_projection_mean, FlowProjectionMean, 0)
VSVFI_GATHER(flow_projection_fill, FlowProjectionFill, 0)
VSVFI_GATHER(flow_projection_grad, FlowProjectionGrad, 0)
