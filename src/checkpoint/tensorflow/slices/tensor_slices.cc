#include "checkpoint/tensorflow/slices/tensor_slices.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::size_t kMaxCutDimensions = 4;

std::int64_t extent_end(const Extent& extent, std::int64_t dim) {
  return extent.length ? extent.start + *extent.length : dim;
}

bool is_full(const Extent& extent, std::int64_t dim) {
  return extent.start == 0 && extent_end(extent, dim) == dim;
}

void check_bounds(const Shape& shape, const TensorSlice& slice, const std::string& where) {
  bool fits = slice.size() == shape.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i) {
    const Extent& extent = slice[i];
    const std::int64_t length = extent.length.value_or(shape[i]);
    fits = extent.start >= 0 && length >= 0 && extent.start <= shape[i] &&
           length <= shape[i] - extent.start;
  }
  if (!fits) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{}: a slice does not lie within the shape {}: the checkpoint is "
                            "broken, write it again",
                            where, to_string(shape)));
  }
}

// Dimensions that at least one slice does not cover whole.
std::vector<std::size_t> cut_dimensions(const Shape& shape,
                                        const std::vector<TensorSlice>& slices) {
  std::vector<std::size_t> cut;
  for (std::size_t dim = 0; dim < shape.size(); ++dim) {
    const auto is_cut = [&](const TensorSlice& slice) { return !is_full(slice[dim], shape[dim]); };
    if (std::ranges::any_of(slices, is_cut)) cut.push_back(dim);
  }
  return cut;
}

using Corner = std::array<std::int64_t, kMaxCutDimensions>;

struct SignedCorner {
  Corner at;
  int sign;
};

// Adds the corners of a box with alternating signs, `sign` for the one nearest to the origin.
void add_corners(const Corner& start, const Corner& end, std::size_t dimensions, int sign,
                 std::vector<SignedCorner>* corners) {
  for (unsigned ends = 0; ends < 1U << dimensions; ++ends) {
    SignedCorner corner{.at = {}, .sign = sign};
    for (std::size_t i = 0; i < dimensions; ++i) {
      const bool at_end = (ends >> i & 1U) != 0;
      corner.at[i] = at_end ? end[i] : start[i];
      if (at_end) corner.sign = -corner.sign;
    }
    corners->push_back(corner);
  }
}

bool corners_cancel(std::vector<SignedCorner> corners) {
  std::ranges::sort(corners, {}, &SignedCorner::at);
  for (std::size_t i = 0; i < corners.size();) {
    std::int64_t sum = 0;
    const Corner at = corners[i].at;
    for (; i < corners.size() && corners[i].at == at; ++i) sum += corners[i].sign;
    if (sum != 0) return false;
  }
  return true;
}

}  // namespace

Shape slice_shape(const Shape& shape, const TensorSlice& slice) {
  Shape cut = shape;
  for (std::size_t i = 0; i < cut.size(); ++i) cut[i] = slice[i].length.value_or(shape[i]);
  return cut;
}

// A sum of boxes is determined by its mixed derivative, which is a sum of signed points at the
// corners of the boxes. So boxes tile the tensor exactly when their corners cancel against those of
// the tensor; that takes time n log n where comparing all pairs would take n squared.
void check_tiling(const Shape& shape, const std::vector<TensorSlice>& slices,
                  const std::string& where) {
  for (const TensorSlice& slice : slices) check_bounds(shape, slice, where);
  const std::vector<std::size_t> cut = cut_dimensions(shape, slices);
  if (cut.size() > kMaxCutDimensions) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{}: the tensor is cut along {} dimensions, at most {} are supported",
                            where, cut.size(), kMaxCutDimensions));
  }
  std::vector<SignedCorner> corners;
  const auto add_box = [&](auto start_of, auto end_of, int sign) {
    Corner start{};
    Corner end{};
    for (std::size_t i = 0; i < cut.size(); ++i) {
      start[i] = start_of(cut[i]);
      end[i] = end_of(cut[i]);
    }
    add_corners(start, end, cut.size(), sign, &corners);
  };
  for (const TensorSlice& slice : slices) {
    add_box([&](std::size_t dim) { return slice[dim].start; },
            [&](std::size_t dim) { return extent_end(slice[dim], shape[dim]); }, 1);
  }
  add_box([](std::size_t) { return std::int64_t{0}; }, [&](std::size_t dim) { return shape[dim]; },
          -1);
  if (!corners_cancel(std::move(corners))) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{}: its {} slices do not cover the shape {} exactly once: the "
                            "checkpoint is broken, write it again",
                            where, slices.size(), to_string(shape)));
  }
}

SliceWalk::SliceWalk(const Shape& shape, const std::vector<TensorSlice>& slices) {
  if (element_count(shape) == 0) return;
  const std::vector<std::size_t> cut = cut_dimensions(shape, slices);
  const std::size_t outer_rank = cut.empty() ? 0 : cut.back() + 1;
  for (std::size_t dim = 0; dim < shape.size(); ++dim) {
    if (dim < outer_rank) {
      outer_shape_.push_back(shape[dim]);
    } else {
      inner_count_ *= static_cast<std::uint64_t>(shape[dim]);
    }
  }
  for (std::size_t i = 0; i < slices.size(); ++i) {
    if (element_count(slice_shape(shape, slices[i])) == 0) continue;
    Box box;
    box.slice = i;
    for (std::size_t dim = 0; dim < outer_rank; ++dim) {
      box.start.push_back(slices[i][dim].start);
      box.end.push_back(extent_end(slices[i][dim], shape[dim]));
    }
    box.position = box.start;
    pending_.emplace(linear(box.position), boxes_.size());
    boxes_.push_back(std::move(box));
  }
}

std::int64_t SliceWalk::linear(const Shape& position) const {
  std::int64_t index = 0;
  for (std::size_t dim = 0; dim < position.size(); ++dim) {
    index = index * outer_shape_[dim] + position[dim];
  }
  return index;
}

bool SliceWalk::advance(Box* box) {
  // The last outer dimension lies within one run.
  for (std::size_t dim = box->position.size(); dim-- > 1;) {
    if (++box->position[dim - 1] < box->end[dim - 1]) return true;
    box->position[dim - 1] = box->start[dim - 1];
  }
  return false;
}

std::optional<SliceWalk::Run> SliceWalk::next() {
  if (pending_.empty()) return std::nullopt;
  const std::size_t index = pending_.begin()->second;
  pending_.erase(pending_.begin());
  Box& box = boxes_[index];
  std::uint64_t count = inner_count_;
  if (!box.end.empty()) count *= static_cast<std::uint64_t>(box.end.back() - box.start.back());
  if (advance(&box)) pending_.emplace(linear(box.position), index);
  return Run{.slice = box.slice, .element_count = count};
}

}  // namespace narrow
