// One layer with its values, before and after it was quantized.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "nn/flat_variables.h"
#include "nn/resnet_v1.h"

namespace narrow {

// A convolution with batch norm, or the logits, which are one with biases in its place: the output
// is slope_c * (w_c x) + offset_c, the slope of the logits being 1.
struct LayerValues {
  std::size_t in_depth = 0;
  std::size_t out_depth = 0;
  std::vector<float> weights;  // [height, width, in, out]
  std::vector<double> slope;
  std::vector<double> offset;
};

LayerValues conv_values(const ConvLayer& layer, const FlatVariables& variables);
LayerValues logits_values(const ResnetV1& network, const FlatVariables& variables);

}  // namespace narrow
