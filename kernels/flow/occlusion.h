// Occlusion filling; see occlusion.cpp.
#pragma once

#include "flow/field.h"
#include "flow/pyramid.h"

namespace vsvfi::flow {

constexpr float kTrusted = 0.2f;  // trust from which on a vector may fill others: it returns to within 3.6 samples

// Replaces vectors below kTrusted, on cells of cell_size x cell_size samples of `source`.
void fill_occlusions(const Level& source, int width, int height, int cell_size, Vector* vectors);

}  // namespace vsvfi::flow
