#include "nn/pool_geometry.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {

std::string_view pool_obstacle(const Window& window, bool ceil_mode, std::int64_t height,
                               std::int64_t width) {
  if (window.rank() != 2) return " with other than two axes";
  if (window.dilations != std::vector<std::int64_t>{1, 1}) return " with dilation";
  const std::array<std::int64_t, 2> sizes = {height, width};
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    const WindowPlaces places = window_places(window, axis, sizes[axis], ceil_mode);
    if (std::max(places.before, places.after) >= window.kernel[axis]) {
      return " with windows of nothing but padding";
    }
  }
  return "";
}

PoolGeometry pool_geometry(std::string_view node, const op::MaxPool& pool, std::int64_t height,
                           std::int64_t width) {
  const std::string_view obstacle = pool_obstacle(pool.window, pool.ceil_mode, height, width);
  if (!obstacle.empty()) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{}: MaxPool cannot be executed yet{}", node, obstacle));
  }
  return pool_geometry(pool.window, pool.ceil_mode, height, width);
}

PoolGeometry pool_geometry(const Window& window, bool ceil_mode, std::int64_t height,
                           std::int64_t width) {
  PoolGeometry geometry;
  geometry.kernel = window.kernel;
  geometry.strides = window.strides;
  geometry.in = {height, width};
  for (std::size_t axis = 0; axis < geometry.in.size(); ++axis) {
    const WindowPlaces places = window_places(window, axis, geometry.in[axis], ceil_mode);
    geometry.out[axis] = places.count;
    geometry.before.push_back(places.before);
    geometry.after.push_back(std::max<std::int64_t>(places.after, 0));
  }
  return geometry;
}

}  // namespace narrow
