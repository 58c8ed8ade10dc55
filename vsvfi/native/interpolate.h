/* The two kinds of node: Interpolate, and Gather, which shows Python a few frames around each frame. */
#ifndef VSVFI_INTERPOLATE_H
#define VSVFI_INTERPOLATE_H

#include "VapourSynth4.h"

/* Build the node that the plan (made by vsvfi.filter) describes; sets "clip" or an error on `out`. */
void interpolate_node(const VSMap *plan, VSMap *out, VSCore *core, const VSAPI *vsapi);

/* Frame n is what func(n=, first=, frames=) returns for frames n+first .. n+last of the clip, clamped to it. */
void gather_node(const VSMap *in, VSMap *out, VSCore *core, const VSAPI *vsapi);

#endif
