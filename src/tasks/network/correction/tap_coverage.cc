#include "tasks/network/correction/tap_coverage.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

namespace narrow {
namespace {

// Along one axis: the taps [first, second) that lie inside, and for how many output pixels.
using AxisViews = std::map<std::pair<int, int>, int>;

AxisViews axis_views(int kernel, int stride, int size) {
  const int before = (kernel - 1) / 2;
  AxisViews views;
  for (int centre = 0; centre < size; centre += stride) {
    const int first = std::max(before - centre, 0);
    const int end = std::min(before - centre + size, kernel);
    ++views[{first, end}];
  }
  return views;
}

// Taps of a square kernel by row and column, row by row.
std::vector<std::size_t> taps_of(std::pair<int, int> rows, std::pair<int, int> columns,
                                 int kernel) {
  std::vector<std::size_t> taps;
  for (int y = rows.first; y < rows.second; ++y) {
    for (int x = columns.first; x < columns.second; ++x) {
      taps.push_back(static_cast<std::size_t>(y * kernel + x));
    }
  }
  return taps;
}

}  // namespace

TapCoverage::TapCoverage(int kernel, int stride, int size) {
  const AxisViews axis = axis_views(kernel, stride, size);
  const double pixels = std::pow(strided_size(size, stride), 2);
  std::vector<std::int64_t> inside(static_cast<std::size_t>(kernel) *
                                   static_cast<std::size_t>(kernel));
  for (const auto& [rows, row_count] : axis) {
    for (const auto& [columns, column_count] : axis) {
      const std::int64_t count = std::int64_t{row_count} * column_count;
      views_.push_back({static_cast<double>(count) / pixels, taps_of(rows, columns, kernel)});
      for (const std::size_t tap : views_.back().taps) inside[tap] += count;
    }
  }
  for (const std::int64_t count : inside) shares_.push_back(static_cast<double>(count) / pixels);
}

std::map<std::string, TapCoverage> tap_coverage(const ResnetV1& network, int image_size) {
  std::map<std::string, TapCoverage> coverage;
  const auto add = [&](const ConvLayer& layer, int size) {
    coverage.emplace(layer.name, TapCoverage(layer.kernel, layer.stride, size));
  };
  add(network.conv1, image_size);
  constexpr int kPoolStride = 2;
  int size = strided_size(strided_size(image_size, network.conv1.stride), kPoolStride);
  for (const BottleneckUnit& unit : network.units) {
    if (unit.shortcut) add(*unit.shortcut, size);
    add(unit.conv1, size);
    add(unit.conv2, size);
    size = strided_size(size, unit.stride);
    add(unit.conv3, size);
  }
  coverage.emplace(network.logits_name(), TapCoverage());
  return coverage;
}

}  // namespace narrow
