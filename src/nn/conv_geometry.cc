#include "nn/conv_geometry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {
namespace {

[[noreturn]] void refuse(const Layer& layer, const std::string& what) {
  throw Error(
      ErrorCategory::kUnsupported,
      fmt::format("{} is a convolution with {}, which cannot be executed yet", layer.name, what));
}

bool all_are(const std::vector<std::int64_t>& values, std::int64_t value) {
  return std::ranges::all_of(values, [&](std::int64_t other) { return other == value; });
}

void require_executable(const Layer& layer) {
  const Window& window = layer.conv.window;
  if (window.rank() != 2) refuse(layer, fmt::format("{} axes", window.rank()));
  const std::int64_t kernel = window.kernel[0];
  if (!all_are(window.kernel, kernel) || kernel % 2 == 0) {
    refuse(layer, fmt::format("a kernel of {}", fmt::join(window.kernel, " x ")));
  }
  if (!all_are(window.strides, window.strides[0])) {
    refuse(layer, fmt::format("strides {}", fmt::join(window.strides, " and ")));
  }
  if (!all_are(window.dilations, 1)) {
    refuse(layer, fmt::format("dilations {}", fmt::join(window.dilations, " and ")));
  }
  if (layer.conv.group != 1) refuse(layer, fmt::format("{} groups", layer.conv.group));
  if (layer.layout != WeightLayout::kHwio) refuse(layer, "weights in another order than HWIO");
}

}  // namespace

ConvGeometry conv_geometry(const Layer& layer, int images, int in_height, int in_width) {
  require_executable(layer);
  const Window& window = layer.conv.window;
  const WindowPlaces rows = window_places(window, 0, in_height);
  const WindowPlaces columns = window_places(window, 1, in_width);
  ConvGeometry geometry;
  geometry.kernel = static_cast<int>(window.kernel[0]);
  geometry.stride = static_cast<int>(window.strides[0]);
  geometry.in_channels = layer.in_channels;
  geometry.out_channels = layer.out_channels;
  geometry.images = images;
  geometry.in_height = in_height;
  geometry.in_width = in_width;
  geometry.out_height = static_cast<int>(rows.count);
  geometry.out_width = static_cast<int>(columns.count);
  const auto is_centred = [&](const WindowPlaces& places, int size) {
    return places.before == geometry.padding() &&
           places.count == (size + geometry.stride - 1) / geometry.stride;
  };
  if (!is_centred(rows, in_height) || !is_centred(columns, in_width)) {
    refuse(layer, fmt::format("padding {}", fmt::join(window.pads, ", ")));
  }
  return geometry;
}

}  // namespace narrow
