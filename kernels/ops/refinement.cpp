#include "ops/refinement.h"

#include "ops/cpu.h"

VSVFI_GATHER(refinement_input, RefinementInput, 1)
VSVFI_GATHER(refinement_blend, RefinementBlend, 1)
