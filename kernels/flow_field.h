// Motion on a grid, as it passes from the search to the picture.
#pragma once

namespace vsvfi::flow {

// One vector, in grid steps. `doubt` is 0 where both frames agree along it and 1 where they do not; `weight` is how far
// it can be trusted, or, once carried to a new instant, the first frame's share in what is seen there.
struct Vector {
  float x, y, doubt, weight;
};

}  // namespace vsvfi::flow
