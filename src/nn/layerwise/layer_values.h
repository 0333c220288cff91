// One layer with its values.
#pragma once

#include <cstddef>
#include <vector>

#include "graph/layers.h"
#include "graph/weights.h"

namespace narrow {

// A layer without its addend and ReLU: the output is slope_c * (w_c x) + offset_c, which stand for
// bias and batch norm; without batch norm the slope is 1.
struct LayerValues {
  std::size_t in_channels = 0;
  std::size_t out_channels = 0;
  std::vector<float> weights;  // as stored
  std::vector<double> slope;
  std::vector<double> offset;
};

LayerValues layer_values(const Layer& layer, const Weights& weights);

}  // namespace narrow
