// A convolution of a batch at one size of images. Internal to the training network.
#pragma once

#include <array>
#include <optional>

#include "graph/operators/window.h"
#include "nn/conv_geometry.h"

namespace narrow {

// Rows first, then columns, where there are two numbers. Weights are [rows, columns, in_channels /
// groups, out_channels] without gaps.
struct WindowConv {
  int images = 0;
  int groups = 1;
  int in_channels = 0;
  int out_channels = 0;
  std::array<int, 2> kernel = {1, 1};
  std::array<int, 2> strides = {1, 1};
  std::array<int, 2> in = {1, 1};
  std::array<int, 2> out = {1, 1};
  std::array<int, 2> before = {0, 0};  // padding that the first windows meet

  // Padding that the last windows meet; negative for rows or columns that no window covers.
  [[nodiscard]] int after(std::size_t axis) const {
    return (out[axis] - 1) * strides[axis] + kernel[axis] - in[axis] - before[axis];
  }
  // Whether every channel has weights of its own, one output each.
  [[nodiscard]] bool is_depthwise() const {
    return groups == in_channels && groups == out_channels;
  }
  // Whether one window is all of an image: weights times elements.
  [[nodiscard]] bool is_of_whole_image() const {
    return groups == 1 && kernel == in && out == std::array{1, 1} && before == std::array{0, 0};
  }
};

// Of a window with two axes and without dilation. Throws what window_places throws.
WindowConv window_conv(const Window& window, int images, std::array<int, 2> in);

// The same as the other executors have it, unless its kernel is even or oblong, its padding another
// or its channels in groups.
std::optional<ConvGeometry> centred_geometry(const WindowConv& conv);

}  // namespace narrow
