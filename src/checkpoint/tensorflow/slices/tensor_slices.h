// Partitioned TensorFlow variables: boxes that together make up a tensor.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "narrow/tensor.h"

namespace narrow {

// The part of one dimension that a slice covers.
struct Extent {
  std::int64_t start = 0;
  // Absent: all of the dimension (start is 0).
  std::optional<std::int64_t> length;
  bool operator==(const Extent&) const = default;
};

// One extent per dimension, outermost first.
using TensorSlice = std::vector<Extent>;

// Shape of `slice`, which fits in a tensor of `shape`.
Shape slice_shape(const Shape& shape, const TensorSlice& slice);

// Checks that `slices` cover every element of a tensor of `shape` exactly once. `where` names file
// and tensor in errors. Throws Error: kCorrupt when they do not, kUnsupported when the tensor is
// cut along more than four dimensions.
void check_tiling(const Shape& shape, const std::vector<TensorSlice>& slices,
                  const std::string& where);

// Walks through a tensor in row-major order as runs of elements that lie together in one slice.
// Every slice is visited in its own row-major order.
class SliceWalk {
 public:
  struct Run {
    std::size_t slice = 0;  // index into the vector given to the constructor
    std::uint64_t element_count = 0;
  };

  // `slices` have passed check_tiling.
  SliceWalk(const Shape& shape, const std::vector<TensorSlice>& slices);

  // The next run, or nothing at the end.
  std::optional<Run> next();

 private:
  // A slice, seen along the outer dimensions only: those up to the last one that is cut.
  struct Box {
    std::size_t slice = 0;
    Shape start;
    Shape end;
    Shape position;  // where its next run starts
  };

  [[nodiscard]] std::int64_t linear(const Shape& position) const;
  // Moves the box to its next run; false when it has none.
  static bool advance(Box* box);

  Shape outer_shape_;
  std::uint64_t inner_count_ = 1;  // elements under one position of the outer dimensions
  std::vector<Box> boxes_;
  // (where its next run starts, index into boxes_): the first is the next run of the tensor.
  std::set<std::pair<std::int64_t, std::size_t>> pending_;
};

}  // namespace narrow
