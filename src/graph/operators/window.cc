#include "graph/operators/window.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {
namespace {

std::int64_t divide_up(std::int64_t value, std::int64_t by) { return (value + by - 1) / by; }

}  // namespace

Window square_window(std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
  return {{kernel, kernel}, {stride, stride}, {1, 1}, {pad, pad, pad, pad}, AutoPad::kNotSet};
}

Window same_window(std::int64_t kernel, std::int64_t stride) {
  Window window = square_window(kernel, stride);
  window.auto_pad = AutoPad::kSameUpper;
  return window;
}

WindowPlaces window_places(const Window& window, std::size_t axis, std::int64_t size,
                           bool ceil_mode) {
  const std::int64_t extent = window.extent(axis);
  const std::int64_t stride = window.strides[axis];
  WindowPlaces places;
  if (window.auto_pad == AutoPad::kSameUpper || window.auto_pad == AutoPad::kSameLower) {
    places.count = divide_up(size, stride);
    const std::int64_t total =
        std::max<std::int64_t>((places.count - 1) * stride + extent - size, 0);
    places.before = window.auto_pad == AutoPad::kSameUpper ? total / 2 : total - total / 2;
  } else {
    const bool padded = window.auto_pad == AutoPad::kNotSet;
    places.before = padded ? window.pads[axis] : 0;
    const std::int64_t after = padded ? window.pads[window.rank() + axis] : 0;
    const std::int64_t room = size + places.before + after - extent;
    const std::int64_t lacking = ceil_mode ? stride - 1 : 0;  // what a window may lack at the end
    if (room + lacking >= 0) places.count = (room + lacking) / stride + 1;
    if (ceil_mode && (places.count - 1) * stride >= size + places.before) --places.count;
  }
  if (size < 1 || places.count < 1) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("a window of {} elements does not fit into {} with their padding",
                            extent, size));
  }
  places.after = (places.count - 1) * stride + extent - size - places.before;
  return places;
}

}  // namespace narrow
