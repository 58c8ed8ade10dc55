/* Where output frames lie: the exact arithmetic of vsvfi/timeline.py, for every frame request. */
#ifndef VSVFI_TIMELINE_H
#define VSVFI_TIMELINE_H

#include "VapourSynth4.h"

typedef struct Rational {
    int64_t num;
    int64_t den;
} Rational;

/* An output frame lies at source + t_num/t_den, in source frames. */
typedef struct Place {
    int source;
    int64_t t_num;
    int64_t t_den;
} Place;

typedef struct Timeline {
    int frames;      /* of the source */
    int outputs;     /* frames of the output */
    int64_t num;     /* output frame n lies at n * den / num source frames ... */
    int64_t den;
    int64_t *begins; /* ... or at n * step, where source frame k begins at begins[k] (frames + 1 of them); or NULL */
    int64_t step;    /* times are in units: `unit` of them are a second */
    int64_t unit;
    int64_t fps_num; /* of the source; 0 when its frames carry their own durations */
    int64_t fps_den;
} Timeline;

/* Reads what vsvfi.timeline encoded; 0 when it cannot be used. */
int timeline_load(Timeline *timeline, const VSMap *plan, int frames, const VSAPI *vsapi);
void timeline_free(Timeline *timeline);
Place timeline_place(const Timeline *timeline, int n);

/* Whether the duration of the output frame at `place` reaches into the next source frame's. */
int timeline_needs_next(const Timeline *timeline, const Place *place);

/* The duration of output frame n in seconds, from the durations of its source frame and the next one; 0 on overflow. */
int timeline_duration(const Timeline *timeline, int n, Rational here, Rational next, Rational *duration);

/* Re-express a place relative to the longer interval from source frame `begin` to `end`; 0 on overflow. */
int place_within(Place *place, int begin, int end);

#endif
