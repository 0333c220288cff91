// A pool at one size of images, as the executors of this layer compute them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "graph/attributes.h"

namespace narrow {

// Rows first, then columns. Every window meets the image.
struct PoolGeometry {
  std::vector<std::int64_t> kernel;
  std::vector<std::int64_t> strides;
  std::array<std::int64_t, 2> in = {};
  std::array<std::int64_t, 2> out = {};
  std::vector<std::int64_t> before;  // padding that the first windows meet
  std::vector<std::int64_t> after;   // and the last ones; never negative
};

// Why no executor computes a pool: " with dilation", ...; empty when nothing speaks against it.
std::string_view pool_obstacle(const Window& window, bool ceil_mode, std::int64_t height,
                               std::int64_t width);

// Of a pool without obstacle.
PoolGeometry pool_geometry(const Window& window, bool ceil_mode, std::int64_t height,
                           std::int64_t width);

// Throws Error(kUnsupported) naming the node and the obstacle.
PoolGeometry pool_geometry(std::string_view node, const op::MaxPool& pool, std::int64_t height,
                           std::int64_t width);

}  // namespace narrow
