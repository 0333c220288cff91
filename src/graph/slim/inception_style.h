// What the Inception networks share: inception_utils.py.
#pragma once

#include <string>

#include "graph/slim/slim_builder.h"

namespace narrow {

// No gamma.
constexpr SlimNorm kInceptionNorm = {.epsilon = 0.001, .decay = 0.9997};
constexpr SlimStyle kInceptionStyle = {.norm = kInceptionNorm, .weights = {InitializerKind::kHe}};
// Of fully connected layers in place of convolutions, without activation.
constexpr SlimStyle kInceptionLogits = {.activation = SlimActivation::kNone};

// A branch of 3x3 pooling with stride 1, then a convolution of one pixel.
inline Channels pooled_branch(SlimBuilder& net, const std::string& scope, Channels x,
                              const SlimConv& conv) {
  return net.conv(scope, net.average_pool(scope + "/AvgPool_0a_3x3", x, 3, 1, kSame), conv);
}
inline Channels max_pooled_branch(SlimBuilder& net, const std::string& scope, Channels x,
                                  const SlimConv& conv) {
  return net.conv(scope, net.max_pool(scope + "/MaxPool_0a_3x3", x, 3, 1, kSame), conv);
}

// A branch that is 3x3 max pooling with stride 2.
inline Channels halved_branch(SlimBuilder& net, const std::string& scope, Channels x,
                              AutoPad padding) {
  return net.max_pool(scope + "/MaxPool_1a_3x3", x, 3, 2, padding);
}

}  // namespace narrow
