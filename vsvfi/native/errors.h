/* Error messages as users read them: one line that begins with the function's name. */
#ifndef VSVFI_ERRORS_H
#define VSVFI_ERRORS_H

#include "VapourSynth4.h"

/* Set "vsvfi.<name>: <text>" as the error of a map; only the last line of a traceback is kept. */
void set_error(VSMap *map, const char *name, const char *text, const VSAPI *vsapi);

/* The same for a frame request. */
void set_frame_error(VSFrameContext *context, const char *name, const char *text, const VSAPI *vsapi);

/* The error that a call of a Python function left in its result, or NULL. */
const char *error_of(const VSMap *result, const VSAPI *vsapi);

#endif
