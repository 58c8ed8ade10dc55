/* The node that shows a Python function a few frames around each frame of a clip. */
#ifndef VSVFI_GATHER_H
#define VSVFI_GATHER_H

#include "VapourSynth4.h"

/* Let the Python implementation make such nodes on this thread in a core (nowhere: NULL); returns what was before. */
const VSCore *gather_allow(const VSCore *core);

/* Frame n is what func(n=, first=, frames=) returns for frames n+first .. n+last of the clip, those that exist. */
void gather_node(const VSMap *in, VSMap *out, VSCore *core, const VSAPI *vsapi);

#endif
