// Operators that move elements without computing with them. Axes count from the end when negative.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace narrow::op {

struct Identity {
  bool operator==(const Identity&) const = default;
};

// To two axes: those before `axis`, and the rest.
struct Flatten {
  std::int64_t axis = 1;
  bool operator==(const Flatten&) const = default;
};

// Inputs: x, shape. -1 is what remains; 0 is the size that x has there, with allow_zero it is zero.
struct Reshape {
  bool allow_zero = false;
  bool operator==(const Reshape&) const = default;
};

// Inputs: x, and possibly the axes; without them all of size 1.
struct Squeeze {
  bool operator==(const Squeeze&) const = default;
};

// Inputs: x, axes of the result.
struct Unsqueeze {
  bool operator==(const Unsqueeze&) const = default;
};

// By axis of the result: the axis of x; empty: the opposite order.
struct Transpose {
  std::vector<std::int64_t> order;
  bool operator==(const Transpose&) const = default;
};

struct Concat {
  std::int64_t axis = 0;
  bool operator==(const Concat&) const = default;
};

// Inputs: x, and possibly the size of each part; without them `parts` of equal size, the last one
// possibly smaller.
struct Split {
  std::int64_t axis = 0;
  std::int64_t parts = 1;  // as many as the node has outputs
  bool operator==(const Split&) const = default;
};

// Inputs: x, starts, ends, and possibly axes and steps.
struct Slice {
  bool operator==(const Slice&) const = default;
};

enum class PadMode : std::uint8_t { kConstant, kReflect, kEdge, kWrap };
// Inputs: x, pads (all firsts, then all lasts), and possibly the value and the axes.
struct Pad {
  PadMode mode = PadMode::kConstant;
  bool operator==(const Pad&) const = default;
};

// Inputs: x, shape.
struct Expand {
  bool operator==(const Expand&) const = default;
};

// Inputs: x, repeats of each axis.
struct Tile {
  bool operator==(const Tile&) const = default;
};

// Inputs: x, indices.
struct Gather {
  std::int64_t axis = 0;
  bool operator==(const Gather&) const = default;
};

// Inputs: x, indices, whose last axis goes over the axes of x.
struct GatherNd {
  std::int64_t batch_dims = 0;
  bool operator==(const GatherNd&) const = default;
};

// Inputs: x, indices of the result's shape.
struct GatherElements {
  std::int64_t axis = 0;
  bool operator==(const GatherElements&) const = default;
};

// What happens to an element that an update meets.
enum class ScatterKind : std::uint8_t { kReplace, kAdd, kMul, kMax, kMin };
// Inputs: x, indices as GatherNd's, updates.
struct ScatterNd {
  ScatterKind kind = ScatterKind::kReplace;
  bool operator==(const ScatterNd&) const = default;
};

// Inputs: x, indices, updates of one shape.
struct ScatterElements {
  std::int64_t axis = 0;
  ScatterKind kind = ScatterKind::kReplace;
  bool operator==(const ScatterElements&) const = default;
};

// Channels to blocks of pixels; with column_row_depth the channel is the outermost of the three
// parts of a channel index, else the innermost.
struct DepthToSpace {
  std::int64_t block = 1;
  bool column_row_depth = false;
  bool operator==(const DepthToSpace&) const = default;
};

struct SpaceToDepth {
  std::int64_t block = 1;
  bool operator==(const SpaceToDepth&) const = default;
};

// What lies below (or above) a diagonal of the last two axes; zero elsewhere. Inputs: x, and
// possibly the diagonal.
struct Trilu {
  bool upper = true;
  bool operator==(const Trilu&) const = default;
};

// Inputs: x, lengths of the sequences, of which each is reversed at its beginning.
struct ReverseSequence {
  std::int64_t batch_axis = 1;
  std::int64_t time_axis = 0;
  bool operator==(const ReverseSequence&) const = default;
};

enum class ResizeMode : std::uint8_t { kNearest, kLinear, kCubic };
enum class ResizePlaces : std::uint8_t {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kTfHalfPixelForNearest,
  kTfCropAndResize,
};
enum class ResizeNearest : std::uint8_t { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil };
enum class ResizeKeep : std::uint8_t { kStretch, kNotLarger, kNotSmaller };
// Inputs: x, region, scales, sizes; each of the last three may be left out, but not both scales and
// sizes.
struct Resize {
  ResizeMode mode = ResizeMode::kNearest;
  ResizePlaces places = ResizePlaces::kHalfPixel;
  ResizeNearest nearest = ResizeNearest::kRoundPreferFloor;
  ResizeKeep keep = ResizeKeep::kStretch;
  bool antialias = false;
  bool exclude_outside = false;
  double cubic_coefficient = -0.75;
  double extrapolation_value = 0;
  std::vector<std::int64_t> axes;  // of the region, scales and sizes; empty: all
  bool operator==(const Resize&) const = default;
};

}  // namespace narrow::op
