#include "flow/pyramid.h"

#include <cstddef>
#include <numeric>
#include <type_traits>
#include <vector>

#include "common/api.h"
#include "common/parallel.h"
#include "flow/samples.h"

namespace vsvfi::flow {
namespace {

constexpr int kGrain = 16;  // rows a thread takes at a time

template <class S>
constexpr bool kInteger = std::is_same_v<S, Sample<kUint8>> || std::is_same_v<S, Sample<kUint16>>;

// Sums of integers may be taken in any order: down the columns first, many columns at once.
template <class S, class Column>
void add_blocks(const Plane& plane, float gain, int shrink, int whole, int y, float* sums) {
  std::vector<Column> columns(static_cast<size_t>(whole) * shrink);
  for (int dy = 0; dy < shrink; ++dy) {
    const auto* row = row_of<S>(plane, std::min(y * shrink + dy, plane.height - 1));
    for (size_t x = 0; x < columns.size(); ++x) columns[x] = static_cast<Column>(columns[x] + row[x]);
  }
  for (int x = 0; x < whole; ++x) {
    const Column* block = columns.data() + static_cast<size_t>(x) * shrink;
    sums[x] += static_cast<float>(std::accumulate(block, block + shrink, uint32_t{0})) * gain;
  }
}

template <class S>
void add_plane(const Plane& plane, float gain, int shrink, int width, int y, float* sums) {
  const int whole = std::min(width, plane.width / shrink);
  if (kInteger<S> && shrink > 2) {
    const bool narrow = std::is_same_v<S, Sample<kUint8>> && shrink <= 257;  // 257 * 255 is the most 16 bits hold
    (narrow ? add_blocks<S, uint16_t> : add_blocks<S, uint32_t>)(plane, gain, shrink, whole, y, sums);
  }
  for (int dy = 0; dy < shrink; ++dy) {
    const auto* row = row_of<S>(plane, std::min(y * shrink + dy, plane.height - 1));
    if (shrink == 1) {
      for (int x = 0; x < whole; ++x) sums[x] += S::load(row[x]) * gain;
    } else if (shrink == 2) {
      for (int x = 0; x < whole; ++x) sums[x] += (S::load(row[2 * x]) + S::load(row[2 * x + 1])) * gain;
    } else if (!kInteger<S>) {
      for (int x = 0; x < whole; ++x) {
        float sum = 0.0f;
        for (int dx = 0; dx < shrink; ++dx) sum += S::load(row[x * shrink + dx]);
        sums[x] += sum * gain;
      }
    }
    for (int x = whole; x < width; ++x) {
      float sum = 0.0f;
      for (int dx = 0; dx < shrink; ++dx) sum += S::load(row[std::min(x * shrink + dx, plane.width - 1)]);
      sums[x] += sum * gain;
    }
  }
}

// One row of luma, 0 ... 255: the weighted sum of the planes, averaged over shrink x shrink samples.
void luma_row(const Plane* planes, const float* weights, int count, int shrink, int width, int y, float* out) {
  std::fill(out, out + width, 0.0f);
  for (int c = 0; c < count; ++c) {
    const float gain = weights[c] * 255.0f / (planes[c].peak * static_cast<float>(shrink * shrink));
    with_kind(planes[c].kind, [&](auto s) { add_plane<decltype(s)>(planes[c], gain, shrink, width, y, out); });
  }
  for (int x = 0; x < width; ++x) out[x] = std::min(std::max(out[x], 0.0f), 255.0f);
}

void replicate_margins(const Level& level) {
  for (int y = 0; y < level.height; ++y) {
    float* row = level.origin + y * level.stride;
    std::fill(row - kMargin, row, row[0]);
    std::fill(row + level.width, row + level.width + kMargin, row[level.width - 1]);
  }
  for (int y = 1; y <= kMargin; ++y) {
    const float* top = level.origin - kMargin;
    std::copy(top, top + level.stride, level.origin - kMargin - y * level.stride);
    const float* bottom = level.origin - kMargin + (level.height - 1) * level.stride;
    std::copy(bottom, bottom + level.stride, level.origin - kMargin + (level.height - 1 + y) * level.stride);
  }
}

void halve(const Level& fine, const Level& coarse) {
  parallel_for(coarse.height, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      // Margins provide the missing sample where a size is odd.
      const float* top = fine.origin + 2 * y * fine.stride;
      const float* bottom = top + fine.stride;
      float* out = coarse.origin + y * coarse.stride;
      for (int x = 0; x < coarse.width; ++x) {
        out[x] = 0.25f * ((top[2 * x] + top[2 * x + 1]) + (bottom[2 * x] + bottom[2 * x + 1]));
      }
    }
  });
}

}  // namespace
}  // namespace vsvfi::flow

// Writes (width, height) bytes: luma averaged over shrink x shrink samples.
VSVFI_API void vsvfi_flow_luma(const vsvfi::flow::Plane* planes, const float* weights, int32_t count, int32_t shrink,
                               uint8_t* out, int32_t width, int32_t height) {
  using namespace vsvfi::flow;
  vsvfi::parallel_for(height, kGrain, [&](int64_t begin, int64_t end) {
    std::vector<float> row(width);
    for (int64_t y = begin; y < end; ++y) {
      luma_row(planes, weights, count, shrink, width, static_cast<int>(y), row.data());
      uint8_t* to = out + y * width;
      for (int x = 0; x < width; ++x) to[x] = static_cast<uint8_t>(static_cast<int>(row[x] + 0.5f));
    }
  });
}

// The number of floats in the pyramid of a picture of this size.
VSVFI_API int64_t vsvfi_flow_pyramid_size(int32_t width, int32_t height) {
  using namespace vsvfi::flow;
  int64_t size = 0;
  for (int level = level_count(width, height); level > 0; --level) {
    size += level_size(width, height);
    width = (width + 1) / 2;
    height = (height + 1) / 2;
  }
  return size;
}

// Fills the pyramid `out` of luma averaged over shrink x shrink samples; its first level is (width, height).
VSVFI_API void vsvfi_flow_pyramid(const vsvfi::flow::Plane* planes, const float* weights, int32_t count,
                                  int32_t shrink, int32_t width, int32_t height, float* out) {
  using namespace vsvfi::flow;
  const Level first = level_of(out, width, height, 0);
  vsvfi::parallel_for(height, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      luma_row(planes, weights, count, shrink, width, static_cast<int>(y), first.origin + y * first.stride);
    }
  });
  replicate_margins(first);
  const int levels = level_count(width, height);
  for (int level = 1; level < levels; ++level) {
    const Level coarse = level_of(out, width, height, level);
    halve(level_of(out, width, height, level - 1), coarse);
    replicate_margins(coarse);
  }
}
