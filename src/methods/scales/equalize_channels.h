// Levels the input channels of a convolution at the cost of the batch norm before it.
#pragma once

#include <span>
#include <vector>

#include "narrow/tensor.h"

namespace narrow {

// Factors s_i = mean(r) / r_i for the input channels of weights [height, width, in, out], within
// [1/8, 8], where r_i is the largest weight of input channel i; 1 for a channel without weights.
// With `by_output_channel` a weight counts as a part of the largest one of its output channel,
// because every output channel will have a range of its own. The scale of the output channel before
// plays no part: batch norm takes it out. After Nagel et al., "Data-Free Quantization through
// Weight Equalization and Bias Correction", 2019, section 4.1, where batch norm is folded and it
// does.
std::vector<double> equalizing_scales(std::span<const float> weights, const Shape& shape,
                                      bool by_output_channel);

}  // namespace narrow
