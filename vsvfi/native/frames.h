/* Small helpers for frames and their numbers. */
#ifndef VSVFI_FRAMES_H
#define VSVFI_FRAMES_H

#include "VapourSynth4.h"

/* The frame of a clip of so many frames that is nearest to n. */
static inline int clamp(int64_t n, int frames) {
    return n < 0 ? 0 : n >= frames ? frames - 1 : (int)n;
}

/* Whether a frame has the format and size that a node promises. */
static inline int has_shape(const VSFrame *frame, const VSVideoInfo *vi, const VSAPI *vsapi) {
    const VSVideoFormat *format = vsapi->getVideoFrameFormat(frame);
    return vsapi->getFrameWidth(frame, 0) == vi->width && vsapi->getFrameHeight(frame, 0) == vi->height &&
           format && format->colorFamily == vi->format.colorFamily && format->sampleType == vi->format.sampleType &&
           format->bitsPerSample == vi->format.bitsPerSample && format->subSamplingW == vi->format.subSamplingW &&
           format->subSamplingH == vi->format.subSamplingH;
}

#endif
