#include "timeline.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 5 };

static int64_t gcd(int64_t a, int64_t b) {
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static Rational reduced(int64_t num, int64_t den) {
    int64_t divisor = gcd(num, den);
    Rational value = {divisor ? num / divisor : num, divisor ? den / divisor : den};
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

int timeline_load(Timeline *timeline, const VSMap *plan, int frames, const VSAPI *vsapi) {
    int unset;
    timeline->frames = frames;
    timeline->outputs = vsapi->mapGetIntSaturated(plan, "outputs", 0, &unset);
    timeline->num = vsapi->mapGetInt(plan, "step_num", 0, &unset);
    timeline->den = vsapi->mapGetInt(plan, "step_den", 0, &unset);
    const char *table = vsapi->mapGetData(plan, "table", 0, &unset);
    if (table && !unset) {
        size_t size = (size_t)timeline->outputs * COLUMNS * sizeof(int64_t);
        if ((size_t)vsapi->mapGetDataSize(plan, "table", 0, &unset) != size)
            return 0;
        timeline->table = malloc(size);
        if (!timeline->table)
            return 0;
        memcpy(timeline->table, table, size);
        return timeline->outputs > 0;
    }
    return timeline->outputs > 0 && timeline->num > 0 && timeline->den > 0 && timeline->num <= INT32_MAX &&
           timeline->den <= INT32_MAX;
}

void timeline_free(Timeline *timeline) {
    free(timeline->table);
    timeline->table = NULL;
}

Place timeline_place(const Timeline *timeline, int n) {
    Place place;
    if (timeline->table) {
        const int64_t *row = timeline->table + (size_t)n * COLUMNS;
        place.source = (int)row[0];
        place.t_num = row[1];
        place.t_den = row[2];
        return place;
    }
    int64_t position = (int64_t)n * timeline->den; /* both factors fit 31 bits */
    place.source = (int)(position / timeline->num);
    Rational t = reduced(position % timeline->num, timeline->num);
    place.t_num = t.num;
    place.t_den = t.num ? t.den : 1;
    return place;
}

int timeline_needs_next(const Timeline *timeline, const Place *place) {
    if (timeline->table || timeline->fps_num != 0 || place->source + 1 >= timeline->frames)
        return 0;
    /* t + den/num > 1, with t a multiple of 1/num */
    return place->t_num * (timeline->num / place->t_den) + timeline->den > timeline->num;
}

int timeline_duration(const Timeline *timeline, int n, Rational here, Rational next, Rational *duration) {
    if (timeline->table) {
        const int64_t *row = timeline->table + (size_t)n * COLUMNS;
        *duration = reduced(row[3], row[4]);
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

void place_within(Place *place, int64_t begin, int64_t end) {
    Rational t = reduced((place->source - begin) * place->t_den + place->t_num, (end - begin) * place->t_den);
    place->t_num = t.num;
    place->t_den = t.num ? t.den : 1;
}
