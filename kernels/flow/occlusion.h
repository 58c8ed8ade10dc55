// Occlusion filling; see occlusion.cpp.
#pragma once

#include "flow/field.h"
#include "flow/pyramid.h"

namespace vsvfi::flow {

// Half +0.05 dB on Middlebury, -0.04 on clips; double -0.18, -0.07 (docs/development/flow.md).
constexpr float kTrusted = 0.2f;  // trust from which on a vector may fill others: it returns to within 3.6 samples

// Replaces vectors below kTrusted, on cells of cell_size x cell_size samples of `source`.
void fill_occlusions(const Level& source, int width, int height, int cell_size, Vector* vectors);

}  // namespace vsvfi::flow
