// Luma of a native frame as 8-bit samples, shrunk by a whole factor: what motion is estimated on.
#include "flow_samples.h"

namespace vsvfi::flow {
namespace {

template <class S>
void add_plane(const Plane& plane, float gain, int shrink, int width, int y, float* sums) {
  for (int dy = 0; dy < shrink; ++dy) {
    const auto* row = row_of<S>(plane, std::min(y * shrink + dy, plane.height - 1));
    for (int x = 0; x < width; ++x) {
      float sum = 0.0f;
      for (int dx = 0; dx < shrink; ++dx) sum += S::load(row[std::min(x * shrink + dx, plane.width - 1)]);
      sums[x] += sum * gain;
    }
  }
}

}  // namespace
}  // namespace vsvfi::flow

// Writes (width, height) bytes: the weighted sum of the planes, averaged over shrink x shrink samples.
VSVFI_FLOW_API void vsvfi_flow_luma(const vsvfi::flow::Plane* planes, const float* weights, int32_t count,
                                    int32_t shrink, uint8_t* out, int32_t width, int32_t height, float* sums) {
  using namespace vsvfi::flow;
  for (int y = 0; y < height; ++y) {
    std::fill(sums, sums + width, 0.5f);
    for (int c = 0; c < count; ++c) {
      const float gain = weights[c] * 255.0f / (planes[c].peak * static_cast<float>(shrink * shrink));
      with_kind(planes[c].kind, [&](auto s) { add_plane<decltype(s)>(planes[c], gain, shrink, width, y, sums); });
    }
    uint8_t* row = out + static_cast<ptrdiff_t>(y) * width;
    for (int x = 0; x < width; ++x) row[x] = static_cast<uint8_t>(std::min(std::max(sums[x], 0.0f), 255.0f));
  }
}
