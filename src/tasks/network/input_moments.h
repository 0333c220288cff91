// What a network's layers see, told from its checkpoint alone: first and second moments of every
// input channel of every convolution and of the logits.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "nn/resnet_v1.h"
#include "nn/variable_source.h"
#include "tasks/network/rectified_normal.h"

namespace narrow {

// By layer: ConvLayer::name or ResnetV1::logits_name(); one entry an input channel.
using InputMoments = std::map<std::string, std::vector<Moments>>;

// The output of a batch norm is taken as normal with mean beta and variance gamma^2, independent
// between channels and of what it is added to (Nagel et al., "Data-Free Quantization through Weight
// Equalization and Bias Correction", 2019):
// - behind batch norm and ReLU: rectified_normal(beta, gamma^2);
// - a unit's output: means and variances of residual and shortcut added, then rectified;
// - pool1 is taken as if it passed its input on, and the mean before the logits as one pixel, so
//   that the true second moments are somewhat larger behind pool1 and smaller before the logits;
// - images: mean 0 and the one variance that explains the variances which conv1's batch norm
//   has stored, sum_c v_c / sum_c |w_c|^2, whatever the preprocessing was.
// Throws Error(kNumeric) for a variable that is not finite, and what reading one of `network`
// throws; check_variables first.
InputMoments input_moments(const ResnetV1& network, const VariableSource& variables);

}  // namespace narrow
