// Projection: motion between two frames, carried to an instant between them. Step 3 of docs/flow.md.
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/api.h"
#include "common/parallel.h"
#include "flow/field.h"

namespace vsvfi::flow {
namespace {

// Half -0.014; double +0.018 dB in the worst place (docs/development/flow.md).
constexpr float kMinSeen = 0.02f;      // share of a frame that does not show a place at all
// Half 0.00 dB on Middlebury, 0.00 on clips; double 0.00, -0.01 (docs/development/flow.md).
constexpr float kMotionDecay = 0.35f;  // of visibility with the squared distance, in cells, to the frame's own motion
// Half +0.002; double -0.009 dB in the worst place (docs/development/flow.md).
constexpr float kArrived = 0.1f;       // trust with which both frames' vectors arrive where both see a place
// Half 0.00 dB on Middlebury, -0.05 on clips; double 0.00, 0.00 (docs/development/flow.md).
constexpr float kFillBelow = 1000.0f;  // 1 / trust below which a place is filled from coarser levels

struct Field {
  int width, height;
  Vector* at;
  ptrdiff_t size() const { return static_cast<ptrdiff_t>(width) * height; }
};

void add(Vector& to, Vec4 vector, float weight) { store4(to, load4(to) + vector * weight); }

// Where the vectors of a row land: the place up and left of each, and how far beyond it.
struct Landing {
  std::vector<int> column, row;
  std::vector<float> fx, fy;

  explicit Landing(int width) : column(width), row(width), fx(width), fy(width) {}

  // Places further than one step outside land at -2, outside of everything.
  void fill(const Vector* vectors, float y, float time, int width, int height) {
    const float far_x = static_cast<float>(width), far_y = static_cast<float>(height);
    for (int x = 0; x < width; ++x) {
      const float px = static_cast<float>(x) + vectors[x].x * time, py = y + vectors[x].y * time;
      const bool within = px > -1.0f && py > -1.0f && px < far_x && py < far_y;
      // Shifted by two, so that truncation is the floor.
      const float qx = within ? px + 2.0f : 0.0f, qy = within ? py + 2.0f : 0.0f;
      const int ix = static_cast<int>(qx), iy = static_cast<int>(qy);
      column[x] = ix - 2;
      row[x] = iy - 2;
      fx[x] = qx - static_cast<float>(ix);
      fy[x] = qy - static_cast<float>(iy);
    }
  }
};

// Bilinear forward splatting of the vectors times `sign`, each by its trust, to `time` of the way.
void splat(const Vector* vectors, float time, float sign, const Field& field) {
  std::fill(field.at, field.at + field.size(), Vector{});
  const int width = field.width, height = field.height;
  const Vec4 signs = load4({sign, sign, 1.0f, 0.0f}), unit = load4({0.0f, 0.0f, 0.0f, 1.0f});
  Landing landing(width);
  for (int y = 0; y < height; ++y) {
    const Vector* row = vectors + static_cast<ptrdiff_t>(y) * width;
    landing.fill(row, static_cast<float>(y), time, width, height);
    for (int x = 0; x < width; ++x) {
      const int x0 = landing.column[x], y0 = landing.row[x];
      const float fx = landing.fx[x], fy = landing.fy[x];
      const Vec4 vector = load4(row[x]) * signs + unit;
      Vector* to = field.at + static_cast<ptrdiff_t>(y0) * width + x0;
      const float upper = (1.0f - fy) * row[x].weight, lower = fy * row[x].weight;
      if (x0 >= 0 && y0 >= 0 && x0 + 1 < width && y0 + 1 < height) {
        add(to[0], vector, upper * (1.0f - fx));
        add(to[1], vector, upper * fx);
        add(to[width], vector, lower * (1.0f - fx));
        add(to[width + 1], vector, lower * fx);
        continue;
      }
      const bool left = x0 >= 0, right = x0 >= -1 && x0 + 1 < width;
      if (y0 >= 0 && left) add(to[0], vector, upper * (1.0f - fx));
      if (y0 >= 0 && right) add(to[1], vector, upper * fx);
      if (y0 >= -1 && y0 + 1 < height && left) add(to[width], vector, lower * (1.0f - fx));
      if (y0 >= -1 && y0 + 1 < height && right) add(to[width + 1], vector, lower * fx);
    }
  }
}

// Push-pull (Gortler et al., The Lumigraph, SIGGRAPH 1996): sums become means, and thin places are filled from what
// is seen more coarsely. `rest` is where the coarser levels go.
void pull_push(const Field& field, Vector* rest) {
  const int width = field.width, height = field.height;
  if (width == 1 && height == 1) {
    Vector& only = field.at[0];
    if (only.weight > 0.0f) store4(only, load4(only) * (1.0f / only.weight));
    return;
  }
  const Field coarse = {(width + 1) / 2, (height + 1) / 2, rest};
  parallel_for(coarse.height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const Vector* top = field.at + 2 * y * width;
      const Vector* bottom = 2 * y + 1 < height ? top + width : nullptr;
      for (int x = 0; x < coarse.width; ++x) {
        const bool pair = 2 * x + 1 < width;
        Vec4 sum = load4(top[2 * x]);
        if (pair) sum = sum + load4(top[2 * x + 1]);
        if (bottom != nullptr) sum = sum + load4(bottom[2 * x]);
        if (bottom != nullptr && pair) sum = sum + load4(bottom[2 * x + 1]);
        store4(coarse.at[y * coarse.width + x], sum * 0.25f);
      }
    }
  });
  pull_push(coarse, rest + coarse.size());
  parallel_for(height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const int64_t near = y / 2;
      const int64_t far = std::min<int64_t>(std::max<int64_t>(y & 1 ? near + 1 : near - 1, 0), coarse.height - 1);
      const Vector* near_row = coarse.at + near * coarse.width;
      const Vector* far_row = coarse.at + far * coarse.width;
      for (int x = 0; x < width; ++x) {
        Vector& to = field.at[y * width + x];
        const float own = std::min(to.weight * kFillBelow, 1.0f);
        const Vec4 mine = load4(to) * (to.weight > 0.0f ? own / to.weight : 0.0f);
        if (own == 1.0f) {
          store4(to, mine);
          continue;
        }
        const int x0 = x / 2, x1 = std::min(std::max(x & 1 ? x0 + 1 : x0 - 1, 0), coarse.width - 1);
        const Vec4 up = load4(near_row[x0]) * 0.5625f + load4(near_row[x1]) * 0.1875f +
                        (load4(far_row[x0]) * 0.1875f + load4(far_row[x1]) * 0.0625f);
        store4(to, mine + up * (1.0f - own));
      }
    }
  });
}

// How far a frame shows what moves by (x, y): as far as its own vector at `px`, `py` agrees with that motion.
float seen(const Vector* vectors, int width, int height, float px, float py, float x, float y) {
  const float right = static_cast<float>(width) - 0.5f, bottom = static_cast<float>(height) - 0.5f;
  if (!(px > -0.5f && py > -0.5f && px < right && py < bottom)) return kMinSeen;
  const Vector& own = vectors[static_cast<ptrdiff_t>(py + 0.5f) * width + static_cast<ptrdiff_t>(px + 0.5f)];
  const float away_x = own.x - x, away_y = own.y - y;
  return 1.0f / (1.0f + kMotionDecay * (away_x * away_x + away_y * away_y)) + kMinSeen;
}

}  // namespace
}  // namespace vsvfi::flow

// The number of floats that `vsvfi_flow_project` works in.
VSVFI_API int64_t vsvfi_flow_project_size(int32_t width, int32_t height) {
  int64_t size = 12 * static_cast<int64_t>(width) * height;
  while (width > 1 || height > 1) {
    width = (width + 1) / 2;
    height = (height + 1) / 2;
    size += 4 * static_cast<int64_t>(width) * height;
  }
  return size;
}

// The motion at `time`, from the first frame to the second, out of the vectors of both directions. `out` begins with
// four planes: x, y, doubt, and the first frame's share in what is seen.
VSVFI_API void vsvfi_flow_project(const vsvfi::flow::Vector* forward, const vsvfi::flow::Vector* backward,
                                  int32_t width, int32_t height, float time, float* out) {
  using namespace vsvfi::flow;
  const ptrdiff_t count = static_cast<ptrdiff_t>(width) * height;
  Vector* space = reinterpret_cast<Vector*>(out + 4 * count);
  const Field fields[2] = {{width, height, space}, {width, height, space + count}};
  vsvfi::parallel_for(2, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      if (k == 0) splat(forward, time, 1.0f, fields[0]);
      if (k == 1) splat(backward, 1.0f - time, -1.0f, fields[1]);
    }
  });
  const Field& field = fields[0];
  float* both = out + 3 * count;  // whether both frames' vectors arrive, and then the first frame's share
  vsvfi::parallel_for(height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * width; i < end * width; ++i) {
      const Vector other = fields[1].at[i];
      both[i] = field.at[i].weight >= kArrived && other.weight >= kArrived;
      store4(field.at[i], load4(field.at[i]) + load4(other));
    }
  });
  pull_push(field, space + 2 * count);
  vsvfi::parallel_for(height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      for (int x = 0; x < width; ++x) {
        const int64_t i = y * width + x;
        const Vector vector = field.at[i];
        out[i] = vector.x;
        out[count + i] = vector.y;
        out[2 * count + i] = vector.doubt;
        if (both[i] != 0.0f) {
          both[i] = 1.0f - time;
          continue;
        }
        const float px = static_cast<float>(x), py = static_cast<float>(y), rest = 1.0f - time;
        const float first = rest * seen(forward, width, height, px - time * vector.x, py - time * vector.y, vector.x,
                                        vector.y);
        const float second = time * seen(backward, width, height, px + rest * vector.x, py + rest * vector.y, -vector.x,
                                         -vector.y);
        both[i] = first / (first + second);
      }
    }
  });
}
