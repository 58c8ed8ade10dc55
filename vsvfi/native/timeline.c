#include "timeline.h"

#include <stdlib.h>
#include <string.h>

static int64_t gcd(int64_t a, int64_t b) {
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* In lowest terms, so that 0 is 0/1; den is above 0. */
static Rational reduced(int64_t num, int64_t den) {
    int64_t divisor = gcd(num, den);
    Rational value = {num / divisor, den / divisor};
    return value;
}

/* Non-negative operands only. */
static int product(int64_t a, int64_t b, int64_t *result) {
    if (a != 0 && b > INT64_MAX / a)
        return 0;
    *result = a * b;
    return 1;
}

static int multiply(Rational a, Rational b, Rational *result) {
    Rational left = reduced(a.num, b.den), right = reduced(b.num, a.den);
    return product(left.num, right.num, &result->num) && product(left.den, right.den, &result->den);
}

static int add(Rational a, Rational b, Rational *result) {
    int64_t divisor = gcd(a.den, b.den), left, right, den;
    if (!product(a.num, b.den / divisor, &left) || !product(b.num, a.den / divisor, &right) || left > INT64_MAX - right ||
        !product(a.den, b.den / divisor, &den))
        return 0;
    *result = reduced(left + right, den);
    return 1;
}

/* The times at which source frames begin, and the last one ends: ascending, from 0, below 2^62. */
static int load_begins(Timeline *timeline, const char *bytes, size_t size) {
    size_t count = (size_t)timeline->frames + 1;
    if (size != count * sizeof(int64_t))
        return 0;
    timeline->begins = malloc(size);
    if (!timeline->begins)
        return 0;
    memcpy(timeline->begins, bytes, size);
    for (int k = 0; k < timeline->frames; k++)
        if (timeline->begins[k] >= timeline->begins[k + 1])
            return 0;
    int64_t end = timeline->begins[timeline->frames];
    return timeline->begins[0] == 0 && end < INT64_C(1) << 62 && timeline->unit > 0 && timeline->step > 0 &&
           (timeline->outputs - 1) <= (end - 1) / timeline->step;
}

int timeline_load(Timeline *timeline, const VSMap *plan, int frames, const VSAPI *vsapi) {
    int unset;
    timeline->frames = frames;
    timeline->outputs = vsapi->mapGetIntSaturated(plan, "outputs", 0, &unset);
    if (timeline->outputs < 1)
        return 0;
    timeline->step = vsapi->mapGetInt(plan, "step", 0, &unset);
    timeline->unit = vsapi->mapGetInt(plan, "unit", 0, &unset);
    const char *begins = vsapi->mapGetData(plan, "begins", 0, &unset);
    if (begins)
        return load_begins(timeline, begins, (size_t)vsapi->mapGetDataSize(plan, "begins", 0, &unset));
    timeline->num = vsapi->mapGetInt(plan, "step_num", 0, &unset);
    timeline->den = vsapi->mapGetInt(plan, "step_den", 0, &unset);
    return timeline->num > 0 && timeline->den > 0 && timeline->num <= INT32_MAX && timeline->den <= INT32_MAX &&
           (timeline->outputs - 1) * timeline->den / timeline->num < frames;
}

void timeline_free(Timeline *timeline) {
    free(timeline->begins);
    timeline->begins = NULL;
}

/* The source frame that is shown at a time. */
static int source_at(const Timeline *timeline, int64_t time) {
    int first = 0, last = timeline->frames - 1;
    while (first < last) {
        int middle = first + (last - first + 1) / 2;
        if (timeline->begins[middle] <= time)
            first = middle;
        else
            last = middle - 1;
    }
    return first;
}

Place timeline_place(const Timeline *timeline, int n) {
    Place place;
    Rational t;
    if (timeline->begins) {
        int64_t time = n * timeline->step; /* below the input's end, see load_begins */
        place.source = source_at(timeline, time);
        const int64_t *begin = timeline->begins + place.source;
        t = reduced(time - begin[0], begin[1] - begin[0]);
    } else {
        int64_t position = n * timeline->den; /* both factors fit 31 bits */
        place.source = (int)(position / timeline->num);
        t = reduced(position % timeline->num, timeline->num);
    }
    place.t_num = t.num;
    place.t_den = t.den;
    return place;
}

int timeline_needs_next(const Timeline *timeline, const Place *place) {
    if (timeline->begins || timeline->fps_num != 0 || place->source + 1 >= timeline->frames)
        return 0;
    /* t + den/num > 1, with t a multiple of 1/num */
    return place->t_num * (timeline->num / place->t_den) + timeline->den > timeline->num;
}

int timeline_duration(const Timeline *timeline, int n, Rational here, Rational next, Rational *duration) {
    if (timeline->begins) {
        int64_t begin = n * timeline->step, rest = timeline->begins[timeline->frames] - begin;
        *duration = reduced(timeline->step < rest ? timeline->step : rest, timeline->unit);
        return 1;
    }
    Place place = timeline_place(timeline, n);
    int64_t begin = place.t_num * (timeline->num / place.t_den); /* in units of 1/num source frame */
    int64_t end = begin + timeline->den;
    int64_t in_here = (end < timeline->num ? end : timeline->num) - begin;
    int64_t in_next = place.source + 1 < timeline->frames && end > timeline->num ? end - timeline->num : 0;
    Rational first, second;
    return multiply(here, reduced(in_here, timeline->num), &first) &&
           multiply(next, reduced(in_next, timeline->num), &second) && add(first, second, duration);
}

int place_within(Place *place, int begin, int end) {
    int64_t whole, den;
    if (!product(place->source - begin, place->t_den, &whole) || !product(end - begin, place->t_den, &den))
        return 0;
    /* t < 1, so the sum is below the denominator */
    Rational t = reduced(whole + place->t_num, den);
    place->t_num = t.num;
    place->t_den = t.den;
    return 1;
}
