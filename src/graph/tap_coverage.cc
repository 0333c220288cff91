#include "graph/tap_coverage.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "graph/shapes.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Along one axis: the taps [first, second) that lie inside, and for how many output pixels.
using AxisViews = std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t>;

AxisViews axis_views(const Window& window, std::size_t axis, std::int64_t size) {
  const WindowPlaces places = window_places(window, axis, size);
  AxisViews views;
  for (std::int64_t i = 0; i < places.count; ++i) {
    const std::int64_t begin = i * window.strides[axis] - places.before;
    const auto is_inside = [&](std::int64_t tap) {
      const std::int64_t position = begin + tap * window.dilations[axis];
      return position >= 0 && position < size;
    };
    std::int64_t first = 0;
    while (first < window.kernel[axis] && !is_inside(first)) ++first;
    std::int64_t end = first;
    while (end < window.kernel[axis] && is_inside(end)) ++end;
    ++views[{first, end}];
  }
  return views;
}

// By row and column, row by row.
std::vector<std::size_t> taps_of(const AxisViews::key_type& rows,
                                 const AxisViews::key_type& columns, std::int64_t width) {
  std::vector<std::size_t> taps;
  for (std::int64_t y = rows.first; y < rows.second; ++y) {
    for (std::int64_t x = columns.first; x < columns.second; ++x) {
      taps.push_back(static_cast<std::size_t>(y * width + x));
    }
  }
  return taps;
}

}  // namespace

TapCoverage::TapCoverage(const Window& window, std::int64_t height, std::int64_t width) {
  if (window.rank() != 2) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the taps of a window with {} axes, expected 2", window.rank()));
  }
  const AxisViews vertical = axis_views(window, 0, height);
  const AxisViews horizontal = axis_views(window, 1, width);
  const auto pixels = static_cast<double>(window_places(window, 0, height).count) *
                      static_cast<double>(window_places(window, 1, width).count);
  std::vector<std::int64_t> inside(static_cast<std::size_t>(window.kernel[0] * window.kernel[1]));
  for (const auto& [rows, row_count] : vertical) {
    for (const auto& [columns, column_count] : horizontal) {
      const std::int64_t count = row_count * column_count;
      views_.push_back(
          {static_cast<double>(count) / pixels, taps_of(rows, columns, window.kernel[1])});
      for (const std::size_t tap : views_.back().taps) inside[tap] += count;
    }
  }
  for (const std::int64_t count : inside) shares_.push_back(static_cast<double>(count) / pixels);
}

std::map<std::string, TapCoverage> tap_coverage(const Graph& graph,
                                                const std::vector<Layer>& layers, int image_size) {
  const ShapeTable shapes = infer_shapes(graph, image_size, image_size);
  std::map<std::string, TapCoverage> coverage;
  for (const Layer& layer : layers) {
    const Dimensions& x = shapes[static_cast<std::size_t>(layer.input)];
    try {
      coverage.emplace(layer.name, TapCoverage(layer.conv.window, x.at(2).size, x.at(3).size));
    } catch (const Error& error) {
      throw Error(error.category(), fmt::format("{}: {}", layer.name, error.what()),
                  error.remedy());
    }
  }
  return coverage;
}

}  // namespace narrow
