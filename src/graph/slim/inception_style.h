// What the Inception networks share: inception_utils.py.
#pragma once

#include <string>

#include "graph/slim/slim_builder.h"

namespace narrow {

// No gamma.
constexpr SlimNorm kInceptionNorm = {.epsilon = 0.001, .decay = 0.9997};
constexpr SlimStyle kInceptionStyle = {.norm = kInceptionNorm, .weights = {InitializerKind::kHe}};
// What Dropout keeps before the logits.
constexpr double kInceptionKeepProb = 0.8;
// Of fully connected layers in place of convolutions, without activation.
constexpr SlimStyle kInceptionLogits = {.activation = SlimActivation::kNone};

// The first layers of inception_v3 and inception_resnet_v2.
inline Channels inception_stem(SlimBuilder& net) {
  Channels x = net.chain("", net.images(),
                         {{"Conv2d_1a_3x3", 32, 3, 3, 2, kValid},
                          {"Conv2d_2a_3x3", 32, 3, 3, 1, kValid},
                          {"Conv2d_2b_3x3", 64, 3, 3}});
  x = net.max_pool("MaxPool_3a_3x3", x, 3, 2, kValid);
  x = net.chain("", x, {{"Conv2d_3b_1x1", 80}, {"Conv2d_4a_3x3", 192, 3, 3, 1, kValid}});
  return net.max_pool("MaxPool_5a_3x3", x, 3, 2, kValid);
}

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
