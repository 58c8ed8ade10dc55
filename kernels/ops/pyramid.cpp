#include "ops/pyramid.h"

#include "ops/cpu.h"

VSVFI_GATHER(pyramid_input, PyramidInput, 1)
VSVFI_GATHER(pyramid_blend, PyramidBlend, 1)
