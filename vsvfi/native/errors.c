#include "errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The message, to be freed; NULL where there is no memory. */
static char *message(const char *name, const char *text) {
    size_t length = strlen(text);
    while (length > 0 && strchr("\r\n ", text[length - 1]))
        length--;
    /* VapourSynth reports a Python exception as its traceback, after a mark or an empty line. */
    if (strstr(text, "Traceback (most recent call last)")) {
        const char *line = text + length;
        while (line > text && line[-1] != '\n')
            line--;
        length -= (size_t)(line - text);
        text = line;
    }
    int named = strncmp(text, "vsvfi.", 6) == 0;
    size_t size = length + strlen(name) + sizeof "vsvfi.: ";
    char *full = malloc(size);
    if (full)
        snprintf(full, size, "%s%s%s%.*s", named ? "" : "vsvfi.", named ? "" : name, named ? "" : ": ", (int)length, text);
    return full;
}

void set_error(VSMap *map, const char *name, const char *text, const VSAPI *vsapi) {
    char *full = message(name, text);
    vsapi->mapSetError(map, full ? full : "vsvfi: out of memory");
    free(full);
}

void set_frame_error(VSFrameContext *context, const char *name, const char *text, const VSAPI *vsapi) {
    char *full = message(name, text);
    vsapi->setFilterError(full ? full : "vsvfi: out of memory", context);
    free(full);
}

const char *error_of(const VSMap *result, const VSAPI *vsapi) {
    int unset;
    const char *error = vsapi->mapGetError(result);
    return error ? error : vsapi->mapGetData(result, "error", 0, &unset);
}
