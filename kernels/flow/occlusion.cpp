// Occlusion filling: what one frame alone sees takes the motion of the surface that it belongs to. Step 2 of
// docs/flow.md.
//
// The trusted place that is nearest in geodesic distance, along paths on which changes of luma cost, gives the motion
// (Revaud et al., EpicFlow, CVPR 2015). Cells take it over from their neighbours, so that regions stay whole.
#include "flow/occlusion.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace vsvfi::flow {
namespace {

// Half 0.00 dB on Middlebury, -0.06 on clips; double 0.00, +0.01 (docs/development/flow.md).
constexpr float kFilledTrust = 0.001f;  // trust in such a vector: it counts where nothing else arrives
// Half 0.00 dB on Middlebury, 0.00 on clips; double -0.01, -0.04 (docs/development/flow.md).
constexpr float kStepCost = 0.5f;       // luma steps for each sample of a path
constexpr float kDiagonal = 1.4f;       // length of a step to a corner
// Half +0.04 dB on Middlebury, -0.07 on clips; double -0.11, -0.05 (docs/development/flow.md).
constexpr int kSupportRadius = 2;       // cells around one in which trust is counted
// Half +0.06 dB on Middlebury, -0.07 on clips; at 1 -0.15, -0.06 (docs/development/flow.md).
constexpr float kSupport = 0.7f;        // share of them that must be trusted: a vector alone is trusted by chance
// Half -0.022; double -0.007 dB in the worst place (docs/development/flow.md).
constexpr int kRounds = 2;              // of passes; paths that turn more often are rare

// Mean luma of each cell.
std::vector<float> luma_of(const Level& source, int width, int height, int cell_size) {
  std::vector<float> luma(static_cast<size_t>(width) * height);
  for (int y = 0; y < height; ++y) {
    const int top = y * cell_size, bottom = std::min(top + cell_size, source.height);
    for (int x = 0; x < width; ++x) {
      const int left = x * cell_size, right = std::min(left + cell_size, source.width);
      float sum = 0.0f;
      for (int j = top; j < bottom; ++j) {
        const float* row = source.origin + j * source.stride;
        for (int i = left; i < right; ++i) sum += row[i];
      }
      luma[static_cast<size_t>(y) * width + x] = sum / static_cast<float>((bottom - top) * (right - left));
    }
  }
  return luma;
}

// Whether each cell is trusted, and most of the cells around it.
std::vector<uint8_t> supported(const Vector* vectors, int width, int height) {
  const auto at = [stride = width + 1](int x, int y) { return static_cast<size_t>(y) * stride + x; };
  std::vector<int> sums(at(0, height + 1));  // of trusted cells above and left
  for (int y = 0; y < height; ++y) {
    int row = 0;
    for (int x = 0; x < width; ++x) {
      row += vectors[static_cast<size_t>(y) * width + x].weight >= kTrusted;
      sums[at(x + 1, y + 1)] = sums[at(x + 1, y)] + row;
    }
  }
  std::vector<uint8_t> out(static_cast<size_t>(width) * height);
  for (int y = 0; y < height; ++y) {
    const int top = std::max(y - kSupportRadius, 0), bottom = std::min(y + kSupportRadius + 1, height);
    for (int x = 0; x < width; ++x) {
      const int left = std::max(x - kSupportRadius, 0), right = std::min(x + kSupportRadius + 1, width);
      const int count = sums[at(right, bottom)] - sums[at(left, bottom)] - sums[at(right, top)] + sums[at(left, top)];
      const float enough = kSupport * static_cast<float>((bottom - top) * (right - left));
      const size_t cell = static_cast<size_t>(y) * width + x;
      out[cell] = vectors[cell].weight >= kTrusted && static_cast<float>(count) >= enough;
    }
  }
  return out;
}

// For each cell the nearest of the `sources`, -1 where there is none.
std::vector<int> nearest(const std::vector<uint8_t>& sources, const std::vector<float>& luma, int width, int height,
                         float step) {
  const int count = width * height;
  std::vector<float> distance(count);
  std::vector<int> origin(count);
  for (int cell = 0; cell < count; ++cell) {
    distance[cell] = sources[cell] ? 0.0f : INFINITY;
    origin[cell] = sources[cell] ? cell : -1;
  }
  const auto pass = [&](int direction) {  // from the first cell (1) or from the last (-1)
    const int first = direction > 0 ? 0 : count - 1;
    for (int y = 0; y < height; ++y) {
      const uint8_t* row = sources.data() + static_cast<size_t>(direction > 0 ? y : height - 1 - y) * width;
      if (std::memchr(row, 0, width) == nullptr) continue;
      for (int x = 0; x < width; ++x) {
        const int cell = first + direction * (y * width + x);
        if (sources[cell]) continue;
        const auto look = [&](int other, float length) {
          const float path = distance[other] + std::abs(luma[other] - luma[cell]) + length;
          if (!(path < distance[cell])) return;
          distance[cell] = path;
          origin[cell] = origin[other];
        };
        if (x > 0) look(cell - direction, step);
        if (y > 0) look(cell - direction * width, step);
        if (y > 0 && x > 0) look(cell - direction * (width + 1), step * kDiagonal);
        if (y > 0 && x + 1 < width) look(cell - direction * (width - 1), step * kDiagonal);
      }
    }
  };
  for (int round = 0; round < kRounds; ++round) {
    pass(1);
    pass(-1);
  }
  return origin;
}

}  // namespace

void fill_occlusions(const Level& source, int width, int height, int cell_size, Vector* vectors) {
  const std::vector<float> luma = luma_of(source, width, height, cell_size);
  const std::vector<int> origin = nearest(supported(vectors, width, height), luma, width, height,
                                          kStepCost * static_cast<float>(cell_size));
  for (int cell = 0; cell < width * height; ++cell) {
    Vector& to = vectors[cell];
    if (to.weight >= kTrusted) continue;
    if (origin[cell] >= 0) {
      to.x = vectors[origin[cell]].x;
      to.y = vectors[origin[cell]].y;
    }
    to.weight = kFilledTrust;
  }
}

}  // namespace vsvfi::flow
