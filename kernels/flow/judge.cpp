// Flow of both directions, judged: outliers removed, how far each vector can be trusted, and others where none can be.
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/api.h"
#include "flow/field.h"
#include "flow/pyramid.h"
#include "flow/simd.h"
#include "common/parallel.h"

namespace vsvfi::flow {
namespace {

constexpr int kGrain = 16;            // rows a thread takes at a time
constexpr int kBlock = 8;             // samples to a side of the blocks that residuals are averaged over
constexpr float kLeastTrust = 0.02f;   // what only one frame sees has no way back, and yet is there
constexpr float kDecay = 0.35f;       // of trust with the squared distance by which the way there and back misses its start
constexpr float kTrusted = 0.2f;       // trust from which on a vector may stand for others, too
constexpr float kRelated = 0.12f;      // share of trusted vectors below which two pictures have nothing in common
constexpr float kLent = 0.001f;        // trust in such a vector: it counts where nothing else arrives
constexpr float kFarther = 0.5f;       // steps of luma that a lender may differ less by for each sample of distance
constexpr float kStrange = 64.0f;      // no lender differs by more
constexpr float kContrast = 40.0f;     // mean difference along a vector from which on a cell may rather stand still ...
constexpr float kStiller = 6.0f;       // ... where it is so many times the difference of what stands still
constexpr float kHesitant = 0.5f;      // doubt below which this is not looked into
constexpr float kHeld = 1.0f;          // trust in what stands still, though all around it moves
constexpr float kNoise = 2.0f;        // residual that is noise, in 8-bit steps
constexpr float kDoubtFrom = 0.4f;    // residual in units of the gradient, so roughly in samples, where doubt begins ...
constexpr float kDoubtRange = 0.4f;   // ... and how much more makes it certain

inline float low(float a, float b) { return std::min(a, b); }
inline float high(float a, float b) { return std::max(a, b); }
inline Vec8 low(Vec8 a, Vec8 b) { return min8(a, b); }
inline Vec8 high(Vec8 a, Vec8 b) { return max8(a, b); }

template <class T>
void sort2(T& a, T& b) {
  const T least = low(a, b);
  b = high(a, b);
  a = least;
}

// The median of nine, by the least number of exchanges (Paeth, Graphics Gems, 1990).
template <class T>
T median9(T p0, T p1, T p2, T p3, T p4, T p5, T p6, T p7, T p8) {
  sort2(p1, p2), sort2(p4, p5), sort2(p7, p8);
  sort2(p0, p1), sort2(p3, p4), sort2(p6, p7);
  sort2(p1, p2), sort2(p4, p5), sort2(p7, p8);
  p3 = high(p0, p3), p5 = low(p5, p8), sort2(p4, p7);
  p6 = high(p3, p6), p4 = high(p1, p4), p2 = low(p2, p5);
  p4 = low(p4, p7), sort2(p4, p2);
  p4 = high(p6, p4);
  return low(p4, p2);
}

void median(const float* in, int width, int height, float* out) {
  parallel_for(height, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const float* b = in + y * width;
      const float* a = y > 0 ? b - width : b;
      const float* c = y + 1 < height ? b + width : b;
      float* to = out + y * width;
      int x = 1;
      for (; x + 9 <= width; x += 8) {
        store8(to + x, median9(load8(a + x - 1), load8(a + x), load8(a + x + 1), load8(b + x - 1), load8(b + x),
                               load8(b + x + 1), load8(c + x - 1), load8(c + x), load8(c + x + 1)));
      }
      for (; x + 1 < width; ++x) {
        to[x] = median9(a[x - 1], a[x], a[x + 1], b[x - 1], b[x], b[x + 1], c[x - 1], c[x], c[x + 1]);
      }
      to[0] = b[0];
      to[width - 1] = b[width - 1];
    }
  });
}

struct Sampler {
  ptrdiff_t top, bottom;
  int x0, x1;
  float fx, fy;

  Sampler(float x, float y, int width, int height, ptrdiff_t stride) {
    x = std::min(std::max(x, 0.0f), static_cast<float>(width - 1));
    y = std::min(std::max(y, 0.0f), static_cast<float>(height - 1));
    x0 = static_cast<int>(x);
    x1 = std::min(x0 + 1, width - 1);
    const int y0 = static_cast<int>(y);
    fx = x - static_cast<float>(x0);
    fy = y - static_cast<float>(y0);
    top = y0 * stride;
    bottom = std::min(y0 + 1, height - 1) * stride;
  }

  float operator()(const float* plane) const {
    const float a = plane[top + x0] + (plane[top + x1] - plane[top + x0]) * fx;
    const float b = plane[bottom + x0] + (plane[bottom + x1] - plane[bottom + x0]) * fx;
    return a + (b - a) * fy;
  }
};

// Flow of one direction after the median filter.
struct Flow {
  int width, height;
  std::vector<float> x, y;

  Flow(const float* in_x, const float* in_y, int w, int h)
      : width(w), height(h), x(static_cast<size_t>(w) * h), y(x.size()) {
    median(in_x, w, h, x.data());
    median(in_y, w, h, y.data());
  }
};

// Residual over blocks of kBlock x kBlock samples, in units of the gradient: 0 no doubt, 1 great doubt.
std::vector<float> doubt_of(const Flow& flow, const Level& source, const Level& target, int thin, int across, int down) {
  std::vector<float> doubt(static_cast<size_t>(across) * down);
  const int cells = std::max(1, kBlock / thin);
  // On a fine grid a part of the cells tells as much as all of them.
  const int step = std::max(1, 4 / thin);
  parallel_for(down, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int column = 0; column < across; ++column) {
        float residual = 0.0f, gradient = 0.0f;
        int count = 0;
        for (int j = static_cast<int>(row) * cells; j < std::min((static_cast<int>(row) + 1) * cells, flow.height); ++j) {
          for (int i = column * cells + (j & 1) * step / 2; i < std::min((column + 1) * cells, flow.width); i += step) {
            const ptrdiff_t cell = static_cast<ptrdiff_t>(j) * flow.width + i;
            const int x = std::min(i * thin + thin / 2, source.width - 1);
            const int y = std::min(j * thin + thin / 2, source.height - 1);
            const Sampler at(static_cast<float>(x) + flow.x[cell], static_cast<float>(y) + flow.y[cell], source.width,
                             source.height, target.stride);
            const float* here = source.origin + y * source.stride + x;
            const float gx = here[1] - here[-1], gy = here[source.stride] - here[-source.stride];
            residual += std::abs(at(target.origin) - *here);
            gradient += 0.5f * std::sqrt(gx * gx + gy * gy);
            ++count;
          }
        }
        const float amount = count > 0 ? residual / (gradient + kNoise * static_cast<float>(count)) : 0.0f;
        doubt[row * across + column] = std::min(std::max((amount - kDoubtFrom) / kDoubtRange, 0.0f), 1.0f);
      }
    }
  });
  return doubt;
}

void judge(const Flow& flow, const Flow& back, const Level& source, const Level& target, int thin, Vector* out) {
  const int width = flow.width, height = flow.height, cells = std::max(1, kBlock / thin);
  const int across = (width + cells - 1) / cells, down = (height + cells - 1) / cells;
  const std::vector<float> doubt = doubt_of(flow, source, target, thin, across, down);
  const float scale = 1.0f / static_cast<float>(thin), block_scale = 1.0f / static_cast<float>(cells);
  // Where a column lies between two columns of blocks; the same in every row.
  std::vector<Sampler> columns;
  for (int x = 0; x < width; ++x) {
    columns.emplace_back((static_cast<float>(x) + 0.5f) * block_scale - 0.5f, 0.0f, across, 1, across);
  }
  parallel_for(height, kGrain, [&](int64_t begin, int64_t end) {
    std::vector<float> doubts(across), errors(width);
    for (int64_t y = begin; y < end; ++y) {
      const Sampler down_at(0.0f, (static_cast<float>(y) + 0.5f) * block_scale - 0.5f, 1, down, across);
      for (int i = 0; i < across; ++i) doubts[i] = down_at(doubt.data() + i);
      const float *u = flow.x.data() + y * width, *v = flow.y.data() + y * width;
      for (int x = 0; x < width; ++x) {
        const Sampler there(static_cast<float>(x) + u[x] * scale, static_cast<float>(y) + v[x] * scale, width, height,
                            width);
        const float ex = u[x] + there(back.x.data()), ey = v[x] + there(back.y.data());
        errors[x] = ex * ex + ey * ey;
      }
      for (int x = 0; x < width; ++x) errors[x] = 1.0f / (1.0f + kDecay * errors[x]) + kLeastTrust;
      for (int x = 0; x < width; ++x) {
        out[y * width + x] = {u[x] * scale, v[x] * scale, columns[x](doubts.data()), errors[x]};
      }
    }
  });
}

bool related(const Vector* forward, const Vector* backward, ptrdiff_t count) {
  const auto trusted = [count](const Vector* vectors) {
    return std::count_if(vectors, vectors + count, [](const Vector& v) { return v.weight >= kTrusted; });
  };
  return static_cast<float>(trusted(forward) + trusted(backward)) >= kRelated * 2.0f * static_cast<float>(count);
}

// Captions and logos stand still over what moves, and are too thin for a patch of their own: a cell stands still where
// its vector leads to something quite different, and the same place of the other frame shows the same.
void hold(const Level& source, const Level& target, int width, int height, int thin, Vector* vectors) {
  parallel_for(height, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int column = 0; column < width; ++column) {
        Vector& vector = vectors[row * width + column];
        const float u = vector.x * static_cast<float>(thin), v = vector.y * static_cast<float>(thin);
        if (vector.doubt < kHesitant || u * u + v * v < 1.0f) continue;
        const int left = column * thin, right = std::min(left + thin, source.width);
        const int top = static_cast<int>(row) * thin, bottom = std::min(top + thin, source.height);
        float still = 0.0f, moved = 0.0f;
        for (int y = top; y < bottom; ++y) {
          const float* here = source.origin + y * source.stride;
          const float* there = target.origin + y * target.stride;
          for (int x = left; x < right; ++x) {
            const Sampler at(static_cast<float>(x) + u, static_cast<float>(y) + v, target.width, target.height,
                             target.stride);
            still += std::abs(there[x] - here[x]);
            moved += std::abs(at(target.origin) - here[x]);
          }
        }
        const float samples = static_cast<float>((right - left) * (bottom - top));
        if (moved > kContrast * samples + kStiller * still) vector = {0.0f, 0.0f, 0.0f, kHeld};
      }
    }
  });
}

struct Loan {
  float price = kStrange;
  int lender = -1;
};

// Luma where the cells lie.
std::vector<float> luma_of(const Level& source, int width, int height, int thin) {
  std::vector<float> luma(static_cast<size_t>(width) * height);
  for (int y = 0; y < height; ++y) {
    const float* row = source.origin + std::min(y * thin + thin / 2, source.height - 1) * source.stride;
    float* to = luma.data() + static_cast<ptrdiff_t>(y) * width;
    for (int x = 0; x < width; ++x) to[x] = row[std::min(x * thin + thin / 2, source.width - 1)];
  }
  return luma;
}

// Walks over all cells, from the first (`way` 1) or from the last (-1). Those that cannot be trusted ask the nearest
// that can, in the four of the eight directions that lie behind.
void ask(const Vector* vectors, const std::vector<float>& luma, int width, int height, int thin, int way,
         std::vector<Loan>& loans) {
  // The nearest in each column and on each diagonal as the row before sees them, with one column more on either side.
  std::vector<int> column(width + 2, -1), falling(width + 2, -1), rising(width + 2, -1);
  std::vector<int> next_falling(width + 2, -1), next_rising(width + 2, -1);
  const int first = way > 0 ? 0 : width * height - 1;
  for (int y = 0; y < height; ++y) {
    int beside = -1;
    for (int x = 0; x < width; ++x) {
      const int cell = first + way * (y * width + x);
      if (vectors[cell].weight >= kTrusted) {
        beside = column[x + 1] = next_falling[x + 1] = next_rising[x + 1] = cell;
        continue;
      }
      next_falling[x + 1] = falling[x];
      next_rising[x + 1] = rising[x + 2];
      for (const int lender : {beside, column[x + 1], falling[x], rising[x + 2]}) {
        if (lender < 0) continue;
        const int away = std::max(std::abs(lender / width - cell / width), std::abs(lender % width - cell % width));
        const float price = std::abs(luma[lender] - luma[cell]) + kFarther * static_cast<float>(away * thin);
        if (price < loans[cell].price) loans[cell] = {price, lender};
      }
    }
    falling.swap(next_falling);
    rising.swap(next_rising);
  }
}

// What one frame alone sees has no match, and the motion that was found for it is false: it moves as what is near it
// and like it.
void lend(const Level& source, int width, int height, int thin, Vector* vectors) {
  const int count = width * height;
  const std::vector<float> luma = luma_of(source, width, height, thin);
  std::vector<Loan> loans(count);
  for (const int way : {1, -1}) ask(vectors, luma, width, height, thin, way, loans);
  for (int cell = 0; cell < count; ++cell) {
    Vector& to = vectors[cell];
    if (to.weight >= kTrusted) continue;
    if (loans[cell].lender >= 0) {
      to.x = vectors[loans[cell].lender].x;
      to.y = vectors[loans[cell].lender].y;
    }
    to.weight = kLent;
  }
}

}  // namespace
}  // namespace vsvfi::flow

// Turns the flows that vsvfi_flow_search found between two frames, on cells of thin x thin samples, into vectors.
VSVFI_API void vsvfi_flow_judge(const float* forward_x, const float* forward_y, const float* backward_x,
                                const float* backward_y, const float* first, const float* second, int32_t width,
                                int32_t height, int32_t thin, vsvfi::flow::Vector* forward,
                                vsvfi::flow::Vector* backward) {
  using namespace vsvfi::flow;
  const int across = (width + thin - 1) / thin, down = (height + thin - 1) / thin;
  const Flow ahead(forward_x, forward_y, across, down), back(backward_x, backward_y, across, down);
  const Level from = level_of(const_cast<float*>(first), width, height, 0);
  const Level to = level_of(const_cast<float*>(second), width, height, 0);
  judge(ahead, back, from, to, thin, forward);
  judge(back, ahead, to, from, thin, backward);
  const ptrdiff_t count = static_cast<ptrdiff_t>(across) * down;
  if (!related(forward, backward, count)) {
    // Nothing moves from one to the other: one fades into the other.
    std::fill(forward, forward + count, Vector{0.0f, 0.0f, 0.0f, 1.0f});
    std::fill(backward, backward + count, Vector{0.0f, 0.0f, 0.0f, 1.0f});
    return;
  }
  hold(from, to, across, down, thin, forward);
  hold(to, from, across, down, thin, backward);
  vsvfi::parallel_for(2, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) lend(k == 0 ? from : to, across, down, thin, k == 0 ? forward : backward);
  });
}
