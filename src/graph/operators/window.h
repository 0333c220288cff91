// Where the windows of convolutions and pools lie, along each axis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace narrow {

// How ONNX says it: explicit padding, or padding that makes the result ceil(size / stride) large
// with the larger half after (kSameUpper) or before (kSameLower), or none.
enum class AutoPad : std::uint8_t { kNotSet, kSameUpper, kSameLower, kValid };

// One entry an axis of the window, outermost first; of pads, all axes' first and then all axes'
// last. https://onnx.ai/onnx/operators/onnx__Conv.html
struct Window {
  std::vector<std::int64_t> kernel;
  std::vector<std::int64_t> strides;
  std::vector<std::int64_t> dilations;
  std::vector<std::int64_t> pads;
  AutoPad auto_pad = AutoPad::kNotSet;

  [[nodiscard]] std::size_t rank() const { return kernel.size(); }
  // From the first to the last element that a window covers, dilation included.
  [[nodiscard]] std::int64_t extent(std::size_t axis) const {
    return (kernel[axis] - 1) * dilations[axis] + 1;
  }
  bool operator==(const Window&) const = default;
};

// Of a square kernel with one stride, padded by `pad` on every side.
Window square_window(std::int64_t kernel, std::int64_t stride, std::int64_t pad = 0);
// The same with TensorFlow's SAME padding, which is kSameUpper.
Window same_window(std::int64_t kernel, std::int64_t stride);

// The windows along one axis: how many, and how many elements of padding they reach before the
// first and after the last element; windows that end before the last element reach -1, -2, ...
struct WindowPlaces {
  std::int64_t count = 0;
  std::int64_t before = 0;
  std::int64_t after = 0;
};

// Along `axis` of an input with `size` elements. With `ceil_mode` a last window that begins inside
// the input or its padding before, but ends beyond the padding, counts too.
// Throws Error(kUnsupported) when no window fits.
WindowPlaces window_places(const Window& window, std::size_t axis, std::int64_t size,
                           bool ceil_mode = false);

}  // namespace narrow
