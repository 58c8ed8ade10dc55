#include "gather.h"

#include "errors.h"
#include "frames.h"
#include "thread_local.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct Gather {
    VSNode *clip;
    VSFunction *func;
    VSVideoInfo vi;
    int first;
    int last;
    char name[32]; /* of the function that errors are reported for */
} Gather;

/* Scripts can see the function Gather, but only vsvfi's own functions may call it. */
static THREAD_LOCAL const VSCore *allowed;

const VSCore *gather_allow(const VSCore *core) {
    const VSCore *before = allowed;
    allowed = core;
    return before;
}

static void VS_CC gather_free(void *data, VSCore *core, const VSAPI *vsapi) {
    (void)core;
    Gather *d = data;
    vsapi->freeNode(d->clip);
    vsapi->freeFunction(d->func);
    free(d);
}

static const VSFrame *VS_CC gather_get(int n, int reason, void *data, void **frame_data, VSFrameContext *context,
                                       VSCore *core, const VSAPI *vsapi) {
    (void)frame_data;
    (void)core;
    Gather *d = data;
    int frames = d->vi.numFrames;
    int begin = clamp((int64_t)n + d->first, frames), end = clamp((int64_t)n + d->last, frames);
    if (reason == arInitial) {
        for (int k = begin; k <= end; k++)
            vsapi->requestFrameFilter(k, d->clip, context);
        return NULL;
    }
    if (reason != arAllFramesReady)
        return NULL;
    VSMap *in = vsapi->createMap(), *out = vsapi->createMap();
    vsapi->mapSetInt(in, "n", n, maReplace);
    vsapi->mapSetInt(in, "first", begin, maReplace);
    for (int k = begin; k <= end; k++)
        vsapi->mapConsumeFrame(in, "frames", vsapi->getFrameFilter(k, d->clip, context), maAppend);
    vsapi->callFunction(d->func, in, out);
    int unset;
    const char *error = error_of(out, vsapi);
    const VSFrame *frame = error ? NULL : vsapi->mapGetFrame(out, "frame", 0, &unset);
    if (frame && !has_shape(frame, &d->vi, vsapi)) {
        vsapi->freeFrame(frame);
        frame = NULL;
        error = "a frame of another format or size was returned";
    }
    if (!frame)
        set_frame_error(context, d->name, error ? error : "no frame was returned", vsapi);
    vsapi->freeMap(in);
    vsapi->freeMap(out);
    return frame;
}

void gather_node(const VSMap *in, VSMap *out, VSCore *core, const VSAPI *vsapi) {
    if (allowed != core) {
        set_error(out, "Gather", "for vsvfi's own use only", vsapi);
        return;
    }
    int unset;
    Gather *d = calloc(1, sizeof *d);
    if (!d) {
        set_error(out, "Gather", "out of memory", vsapi);
        return;
    }
    d->clip = vsapi->mapGetNode(in, "clip", 0, &unset);
    d->func = vsapi->mapGetFunction(in, "func", 0, &unset);
    d->first = vsapi->mapGetIntSaturated(in, "first", 0, &unset);
    d->last = vsapi->mapGetIntSaturated(in, "last", 0, &unset);
    d->vi = *vsapi->getVideoInfo(d->clip);
    snprintf(d->name, sizeof d->name, "%s", vsapi->mapGetData(in, "name", 0, &unset));
    VSNode *like = vsapi->mapGetNode(in, "like", 0, &unset);
    if (like) {
        const VSVideoInfo *shape = vsapi->getVideoInfo(like);
        d->vi.format = shape->format;
        d->vi.width = shape->width;
        d->vi.height = shape->height;
        vsapi->freeNode(like);
    }
    if (d->first > 0 || d->last < 0) {
        set_error(out, "Gather", "first must not be above 0, nor last below", vsapi);
        gather_free(d, core, vsapi);
        return;
    }
    VSFilterDependency dependencies[] = {{d->clip, rpGeneral}};
    vsapi->createVideoFilter(out, "Gather", &d->vi, gather_get, gather_free, fmParallel, dependencies, 1, d, core);
}
