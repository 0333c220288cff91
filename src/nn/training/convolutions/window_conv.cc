#include "nn/training/convolutions/window_conv.h"

namespace narrow {

WindowConv window_conv(const Window& window, int images, std::array<int, 2> in) {
  WindowConv conv;
  conv.images = images;
  conv.in = in;
  for (std::size_t axis = 0; axis < in.size(); ++axis) {
    const WindowPlaces places = window_places(window, axis, in[axis]);
    conv.kernel[axis] = static_cast<int>(window.kernel[axis]);
    conv.strides[axis] = static_cast<int>(window.strides[axis]);
    conv.out[axis] = static_cast<int>(places.count);
    conv.before[axis] = static_cast<int>(places.before);
  }
  return conv;
}

std::optional<ConvGeometry> centred_geometry(const WindowConv& conv) {
  const bool is_square = conv.kernel[0] == conv.kernel[1] && conv.strides[0] == conv.strides[1];
  if (!is_square || conv.kernel[0] % 2 == 0 || conv.groups != 1) return std::nullopt;
  ConvGeometry geometry;
  geometry.kernel = conv.kernel[0];
  geometry.stride = conv.strides[0];
  geometry.in_channels = conv.in_channels;
  geometry.out_channels = conv.out_channels;
  geometry.images = conv.images;
  geometry.in_height = conv.in[0];
  geometry.in_width = conv.in[1];
  geometry.out_height = conv.out[0];
  geometry.out_width = conv.out[1];
  for (std::size_t axis = 0; axis < conv.in.size(); ++axis) {
    if (conv.before[axis] != geometry.padding() ||
        conv.out[axis] != (conv.in[axis] + geometry.stride - 1) / geometry.stride) {
      return std::nullopt;
    }
  }
  return geometry;
}

}  // namespace narrow
