/* The node that Interpolate returns. */
#ifndef VSVFI_INTERPOLATE_H
#define VSVFI_INTERPOLATE_H

#include "VapourSynth4.h"

/* Build the node that the plan (made by vsvfi.filter.plan) describes; sets "clip" or an error on `out`. */
void interpolate_node(const VSMap *plan, VSMap *out, VSCore *core, const VSAPI *vsapi);

#endif
