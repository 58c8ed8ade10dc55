// The version of the C interface between vsvfi/ops and these kernels; it changes whenever a signature does.
#include "api.h"

VSVFI_API int vsvfi_kernels_abi() { return 2; }
