// Occlusion filling: what one frame alone sees takes the motion of what is near it and like it. Step 2 of docs/flow.md.
#include "flow/occlusion.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

namespace vsvfi::flow {
namespace {

constexpr float kFilledTrust = 0.001f;  // trust in such a vector: it counts where nothing else arrives
constexpr float kDistanceCost = 0.5f;   // luma steps for each sample of distance to the cell whose motion is taken
constexpr float kMaxCost = 64.0f;       // luma steps; no motion is taken from what is less alike

// The trusted cell whose motion an occluded one takes so far.
struct Candidate {
  float cost = kMaxCost;
  int cell = -1;
};

// Luma where the cells lie.
std::vector<float> luma_of(const Level& source, int width, int height, int cell) {
  std::vector<float> luma(static_cast<size_t>(width) * height);
  for (int y = 0; y < height; ++y) {
    const float* row = source.origin + std::min(y * cell + cell / 2, source.height - 1) * source.stride;
    float* to = luma.data() + static_cast<ptrdiff_t>(y) * width;
    for (int x = 0; x < width; ++x) to[x] = row[std::min(x * cell + cell / 2, source.width - 1)];
  }
  return luma;
}

// Visits all cells, from the first (`direction` 1) or from the last (-1). Those that cannot be trusted look at the
// nearest that can, in the four of the eight directions that lie behind.
void scan(const Vector* vectors, const std::vector<float>& luma, int width, int height, int cell_size, int direction,
          std::vector<Candidate>& best) {
  // The nearest in each column and on each diagonal as the row before sees them, with one column more on either side.
  std::vector<int> column(width + 2, -1), falling(width + 2, -1), rising(width + 2, -1);
  std::vector<int> next_falling(width + 2, -1), next_rising(width + 2, -1);
  const int first = direction > 0 ? 0 : width * height - 1;
  for (int y = 0; y < height; ++y) {
    int beside = -1;
    for (int x = 0; x < width; ++x) {
      const int cell = first + direction * (y * width + x);
      if (vectors[cell].weight >= kTrusted) {
        beside = column[x + 1] = next_falling[x + 1] = next_rising[x + 1] = cell;
        continue;
      }
      next_falling[x + 1] = falling[x];
      next_rising[x + 1] = rising[x + 2];
      for (const int other : {beside, column[x + 1], falling[x], rising[x + 2]}) {
        if (other < 0) continue;
        const int away = std::max(std::abs(other / width - cell / width), std::abs(other % width - cell % width));
        const float cost = std::abs(luma[other] - luma[cell]) + kDistanceCost * static_cast<float>(away * cell_size);
        if (cost < best[cell].cost) best[cell] = {cost, other};
      }
    }
    falling.swap(next_falling);
    rising.swap(next_rising);
  }
}

}  // namespace

void fill_occlusions(const Level& source, int width, int height, int cell_size, Vector* vectors) {
  const int count = width * height;
  const std::vector<float> luma = luma_of(source, width, height, cell_size);
  std::vector<Candidate> best(count);
  for (const int direction : {1, -1}) scan(vectors, luma, width, height, cell_size, direction, best);
  for (int cell = 0; cell < count; ++cell) {
    Vector& to = vectors[cell];
    if (to.weight >= kTrusted) continue;
    if (best[cell].cell >= 0) {
      to.x = vectors[best[cell].cell].x;
      to.y = vectors[best[cell].cell].y;
    }
    to.weight = kFilledTrust;
  }
}

}  // namespace vsvfi::flow
