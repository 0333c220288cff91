// Test support: one convolution as a layer.
#pragma once

#include <string>

#include "graph/graph_builder.h"
#include "graph/layers.h"

namespace narrow {

// With a square kernel padded on all sides, weights HWIO, no bias and no batch norm.
inline Layer single_layer(const std::string& name, int kernel, int in_channels, int out_channels,
                          int stride) {
  GraphBuilder builder("single");
  const ValueId x = builder.input("images", {Dimension::free("N"), in_channels, Dimension(), {}});
  const ValueId y = builder.conv(name, x, in_channels, out_channels,
                                 square_window(kernel, stride, (kernel - 1) / 2));
  return layers(builder.finish({y}))[0];
}

}  // namespace narrow
