#include "interpolate.h"

#include "errors.h"
#include "frames.h"
#include "timeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WINDOW = 8 };

/* What to show between the two frames at a cut. */
enum { CUT_HOLD = 0, CUT_NEAREST = 1, CUT_BLEND = 2 };

static const char *const TOO_FINE = "durations too fine for 64-bit fractions";

typedef struct Interpolate {
    VSNode *clip;
    VSNode *windows; /* per source frame: which frames make its window, and whether a cut follows; or NULL */
    VSFunction *render;
    VSVideoInfo vi;
    Timeline timeline;
    int offsets[MAX_WINDOW];
    int window;
    int cut_mode;
    int always_render; /* the model changes source frames too (super-resolution) */
    int bridge;        /* source frames may lie inside a run of duplicates and are then replaced */
} Interpolate;

/* What one output frame is made of. */
typedef struct Job {
    Place place;
    int index[MAX_WINDOW];
    int count;
    int copy;  /* the source frame to return unchanged, or -1 */
    int blend; /* cross-fade index[0] and index[1] instead of asking the model */
    int resolved;
} Job;

static void VS_CC interpolate_free(void *data, VSCore *core, const VSAPI *vsapi) {
    (void)core;
    Interpolate *d = data;
    vsapi->freeNode(d->clip);
    vsapi->freeNode(d->windows);
    vsapi->freeFunction(d->render);
    timeline_free(&d->timeline);
    free(d);
}

/* A job's source frames are known: request them. */
static void request_sources(Interpolate *d, Job *job, VSFrameContext *context, const VSAPI *vsapi) {
    job->resolved = 1;
    if (job->copy >= 0)
        vsapi->requestFrameFilter(job->copy, d->clip, context);
    else
        for (int k = 0; k < job->count; k++)
            vsapi->requestFrameFilter(job->index[k], d->clip, context);
    if (timeline_needs_next(&d->timeline, &job->place))
        vsapi->requestFrameFilter(job->place.source + 1, d->clip, context);
    /* Properties and duration come from the frame before the new one, wherever its pixels come from. */
    vsapi->requestFrameFilter(job->place.source, d->clip, context);
}

/* Nothing lies between a frame and itself: show it. */
static void show(Interpolate *d, Job *job, int source) {
    if (!d->always_render) {
        job->copy = source;
        return;
    }
    for (int k = 0; k < d->window; k++)
        job->index[k] = source;
    job->count = d->window;
    job->place.t_num = 0;
    job->place.t_den = 1;
}

static void start(Interpolate *d, Job *job, int n, VSFrameContext *context, const VSAPI *vsapi) {
    memset(job, 0, sizeof *job);
    job->copy = -1;
    job->place = timeline_place(&d->timeline, n);
    int source = job->place.source;
    int last = source == d->timeline.frames - 1;
    if (last && job->place.t_num != 0) {
        show(d, job, source);
    } else if (job->place.t_num == 0 && !d->bridge && !d->always_render) {
        job->copy = source;
    } else if (d->windows) {
        vsapi->requestFrameFilter(source, d->windows, context);
        return;
    } else {
        for (int k = 0; k < d->window; k++)
            job->index[k] = clamp((int64_t)source + d->offsets[k], d->timeline.frames);
        job->count = d->window;
    }
    request_sources(d, job, context, vsapi);
}

/* The frame of d->windows is there: read from it what to do. */
static int resolve(Interpolate *d, Job *job, VSFrameContext *context, const VSAPI *vsapi) {
    int source = job->place.source;
    const VSFrame *frame = vsapi->getFrameFilter(source, d->windows, context);
    const VSMap *props = vsapi->getFramePropertiesRO(frame);
    int unset;
    int cut = vsapi->mapGetIntSaturated(props, "VsvfiCut", 0, &unset);
    int begin = vsapi->mapGetIntSaturated(props, "VsvfiBegin", 0, &unset);
    int end = vsapi->mapGetIntSaturated(props, "VsvfiEnd", 0, &unset);
    int count = vsapi->mapNumElements(props, "VsvfiWindow");
    int valid = count == d->window;
    for (int k = 0; valid && k < count; k++)
        job->index[k] = clamp(vsapi->mapGetInt(props, "VsvfiWindow", k, &unset), d->timeline.frames);
    vsapi->freeFrame(frame);
    if (!valid || begin < 0 || begin > source || end < source || end >= d->timeline.frames) {
        set_frame_error(context, "Interpolate", "a window could not be read", vsapi);
        return 0;
    }
    job->count = count;
    if (cut) {
        int next = clamp((int64_t)source + 1, d->timeline.frames);
        if (d->cut_mode == CUT_NEAREST && 2 * job->place.t_num >= job->place.t_den) {
            show(d, job, next);
        } else if (d->cut_mode == CUT_BLEND && job->place.t_num != 0 && !d->always_render) {
            job->blend = 1;
            job->index[0] = source;
            job->index[1] = next;
            job->count = 2;
        } else {
            show(d, job, source);
        }
    } else if (end > begin) {
        /* Inside a run of duplicates the gap that motion has to fill is wider than one frame. */
        if (!place_within(&job->place, begin, end)) {
            set_frame_error(context, "Interpolate", TOO_FINE, vsapi);
            return 0;
        }
        if (job->place.t_num == 0 && !d->always_render)
            job->copy = begin;
    } else {
        show(d, job, source);
    }
    request_sources(d, job, context, vsapi);
    return 1;
}

/* How long a source frame is shown: 1/fps, or what it says itself where the rate varies. */
static int source_duration(Interpolate *d, int source, Rational *duration, VSFrameContext *context, const VSAPI *vsapi) {
    if (d->timeline.begins) {
        duration->num = d->timeline.begins[source + 1] - d->timeline.begins[source];
        duration->den = d->timeline.unit;
        return 1;
    }
    duration->num = d->timeline.fps_den;
    duration->den = d->timeline.fps_num;
    if (d->timeline.fps_num != 0)
        return 1;
    const VSFrame *frame = vsapi->getFrameFilter(source, d->clip, context);
    const VSMap *props = vsapi->getFramePropertiesRO(frame);
    int no_num, no_den;
    duration->num = vsapi->mapGetInt(props, "_DurationNum", 0, &no_num);
    duration->den = vsapi->mapGetInt(props, "_DurationDen", 0, &no_den);
    vsapi->freeFrame(frame);
    if (!no_num && !no_den && duration->num > 0 && duration->den > 0)
        return 1;
    char text[160];
    if (no_num || no_den)
        snprintf(text, sizeof text, "frame %d of a variable-frame-rate clip has no _DurationNum and _DurationDen", source);
    else
        snprintf(text, sizeof text, "frame %d lasts %lld/%lld s; a duration must be above 0", source,
                 (long long)duration->num, (long long)duration->den);
    set_frame_error(context, "Interpolate", text, vsapi);
    return 0;
}

/* Sets what belongs to the new frame's own time: duration, absolute time, scene flags. */
static int stamp(Interpolate *d, const Job *job, int n, const VSMap *from, VSFrame *frame, VSFrameContext *context,
                 const VSAPI *vsapi) {
    Place place = timeline_place(&d->timeline, n);
    Rational here, next, duration;
    if (!source_duration(d, place.source, &here, context, vsapi))
        return 0;
    next = here;
    if (timeline_needs_next(&d->timeline, &place) && !source_duration(d, place.source + 1, &next, context, vsapi))
        return 0;
    if (!timeline_duration(&d->timeline, n, here, next, &duration)) {
        set_frame_error(context, "Interpolate", TOO_FINE, vsapi);
        return 0;
    }
    VSMap *props = vsapi->getFramePropertiesRW(frame);
    vsapi->mapDeleteKey(props, "VsvfiMask"); /* vsvfi/filter/masks.py put it there */
    vsapi->mapSetInt(props, "_DurationNum", duration.num, maReplace);
    vsapi->mapSetInt(props, "_DurationDen", duration.den, maReplace);
    if (place.t_num == 0 && job->copy == place.source)
        return 1;
    int unset;
    double begins = vsapi->mapGetFloat(from, "_AbsoluteTime", 0, &unset);
    double elapsed = (double)place.t_num / (double)place.t_den * (double)here.num / (double)here.den;
    if (!unset)
        vsapi->mapSetFloat(props, "_AbsoluteTime", begins + elapsed, maReplace);
    if (place.t_num != 0 && vsapi->mapNumElements(props, "_SceneChangePrev") > 0)
        vsapi->mapSetInt(props, "_SceneChangePrev", 0, maReplace);
    return 1;
}

static const VSFrame *render(Interpolate *d, const Job *job, int n, VSFrameContext *context, const VSAPI *vsapi) {
    VSMap *in = vsapi->createMap(), *out = vsapi->createMap();
    const VSFrame *result = NULL;
    vsapi->mapSetInt(in, "n", n, maReplace);
    vsapi->mapSetInt(in, "t_num", job->place.t_num, maReplace);
    vsapi->mapSetInt(in, "t_den", job->place.t_den, maReplace);
    vsapi->mapSetInt(in, "blend", job->blend, maReplace);
    for (int k = 0; k < job->count; k++) {
        vsapi->mapSetInt(in, "index", job->index[k], maAppend);
        vsapi->mapConsumeFrame(in, "frames", vsapi->getFrameFilter(job->index[k], d->clip, context), maAppend);
    }
    vsapi->callFunction(d->render, in, out);
    int unset;
    const char *error = error_of(out, vsapi);
    if (!error)
        result = vsapi->mapGetFrame(out, "frame", 0, &unset);
    if (result && !has_shape(result, &d->vi, vsapi)) {
        vsapi->freeFrame(result);
        result = NULL;
        error = "the engine returned a frame of another format or size";
    }
    if (!result)
        set_frame_error(context, "Interpolate", error ? error : "the engine returned no frame", vsapi);
    vsapi->freeMap(in);
    vsapi->freeMap(out);
    return result;
}

static const VSFrame *finish(Interpolate *d, const Job *job, int n, VSFrameContext *context, VSCore *core,
                             const VSAPI *vsapi) {
    const VSFrame *pixels = job->copy >= 0 ? vsapi->getFrameFilter(job->copy, d->clip, context)
                                           : render(d, job, n, context, vsapi);
    if (!pixels)
        return NULL;
    VSFrame *frame = vsapi->copyFrame(pixels, core);
    vsapi->freeFrame(pixels);
    const VSFrame *before = vsapi->getFrameFilter(job->place.source, d->clip, context);
    const VSMap *from = vsapi->getFramePropertiesRO(before);
    if (job->copy < 0)
        vsapi->copyMap(from, vsapi->getFramePropertiesRW(frame));
    int stamped = stamp(d, job, n, from, frame, context, vsapi);
    vsapi->freeFrame(before);
    if (!stamped) {
        vsapi->freeFrame(frame);
        return NULL;
    }
    return frame;
}

static const VSFrame *VS_CC interpolate_get(int n, int reason, void *data, void **frame_data, VSFrameContext *context,
                                            VSCore *core, const VSAPI *vsapi) {
    Interpolate *d = data;
    Job *job = *frame_data;
    if (reason == arInitial) {
        job = malloc(sizeof *job);
        if (!job) {
            set_frame_error(context, "Interpolate", "out of memory", vsapi);
            return NULL;
        }
        *frame_data = job;
        start(d, job, n, context, vsapi);
        return NULL;
    }
    const VSFrame *frame = NULL;
    if (reason == arAllFramesReady) {
        if (!job->resolved && resolve(d, job, context, vsapi))
            return NULL;
        if (job->resolved)
            frame = finish(d, job, n, context, core, vsapi);
    }
    free(job);
    *frame_data = NULL;
    return frame;
}

void interpolate_node(const VSMap *plan, VSMap *out, VSCore *core, const VSAPI *vsapi) {
    int unset;
    Interpolate *d = calloc(1, sizeof *d);
    if (!d) {
        set_error(out, "Interpolate", "out of memory", vsapi);
        return;
    }
    d->clip = vsapi->mapGetNode(plan, "clip", 0, &unset);
    d->windows = vsapi->mapGetNode(plan, "windows", 0, &unset);
    d->render = vsapi->mapGetFunction(plan, "render", 0, &unset);
    d->vi = *vsapi->getVideoInfo(d->clip);
    d->window = vsapi->mapNumElements(plan, "offsets");
    for (int k = 0; k < d->window && k < MAX_WINDOW; k++)
        d->offsets[k] = vsapi->mapGetIntSaturated(plan, "offsets", k, &unset);
    d->cut_mode = vsapi->mapGetIntSaturated(plan, "cut_mode", 0, &unset);
    d->always_render = !!vsapi->mapGetInt(plan, "always_render", 0, &unset);
    d->bridge = !!vsapi->mapGetInt(plan, "bridge", 0, &unset);
    int scale = vsapi->mapGetIntSaturated(plan, "spatial_scale", 0, &unset);
    int loaded = timeline_load(&d->timeline, plan, d->vi.numFrames, vsapi);
    if (!d->render || d->window < 2 || d->window > MAX_WINDOW || scale < 1 || !loaded) {
        set_error(out, "Interpolate", "the plan could not be read", vsapi);
        interpolate_free(d, core, vsapi);
        return;
    }
    d->timeline.fps_num = d->vi.fpsNum;
    d->timeline.fps_den = d->vi.fpsDen;
    d->vi.numFrames = d->timeline.outputs;
    d->vi.fpsNum = vsapi->mapGetInt(plan, "fps_num", 0, &unset);
    d->vi.fpsDen = vsapi->mapGetInt(plan, "fps_den", 0, &unset);
    d->vi.width *= scale;
    d->vi.height *= scale;
    VSFilterDependency dependencies[] = {{d->clip, rpGeneral}, {d->windows, rpGeneral}};
    vsapi->createVideoFilter(out, "Interpolate", &d->vi, interpolate_get, interpolate_free, fmParallel, dependencies,
                             d->windows ? 2 : 1, d, core);
}
