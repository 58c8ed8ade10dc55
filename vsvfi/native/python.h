/* Finds the running Python interpreter without linking to it, and fetches vsvfi's functions from it. */
#ifndef VSVFI_PYTHON_H
#define VSVFI_PYTHON_H

#include "VapourSynth4.h"

/* The Python implementation of `name` for `core` (the caller frees it), or NULL with a reason in `error`. */
VSFunction *python_implementation(const char *name, VSCore *core, const VSAPI *vsapi, char *error, size_t size);

/* Called back by vsvfi.filter.plugin, inside python_implementation and on its thread; 0 when nobody waits for it. */
int python_bind(VSFunction *function, const char *error, VSCore *core);

#endif
