// ResNet V1 with bottleneck units as TF-Slim builds it.
//
// Structure: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with Slim's
// placement of strides: in the 3x3 convolution of the LAST unit of a block (and in its shortcut).
// https://github.com/tensorflow/models/blob/master/research/slim/nets/resnet_v1.py
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace narrow {

struct ResnetV1Block {
  int base_channels = 0;  // of the unit's conv1 and conv2; its output has four times as many
  int unit_count = 0;
  int last_stride = 1;  // of the last unit
};

// A variant: tests use few and thin units of the same make.
struct ResnetV1Shape {
  std::string name;  // the outermost scope
  int root_channels = 64;
  std::vector<ResnetV1Block> blocks;
  int class_count = 0;
};

// conv1 (7x7, stride 2), 3x3 max-pooling with stride 2 and TensorFlow's SAME padding, the units
//   output = relu(shortcut(x) + conv3(conv2(conv1(x))))
// whose shortcut is a convolution where the channels change and else every stride-th pixel, the
// mean over height and width, and the logits (1x1 convolution with bias). Convolutions have no
// bias, but batch norm with epsilon 1e-5; their padding is Slim's conv2d_same: (kernel - 1) / 2 on
// every side. The input is [N, 3, height, width], RGB less the mean; the output [N, classes].
// Weights come in the order in which Slim creates them: of each convolution weights, gamma, beta,
// moving mean and variance, of each unit the shortcut (if it is one), conv1, conv2, conv3.
// Throws Error(kUsage): no block, a number that is not positive, or a last unit with stride whose
// shortcut changes the channels (Slim's networks have none, and its rule for it is not used here).
Graph make_resnet_v1(const ResnetV1Shape& shape);

// "resnet_v1_50", "resnet_v1_101", "resnet_v1_152" or "resnet_v1_200".
// Throws Error(kUsage) naming the four, or when class_count < 1.
Graph resnet_v1(std::string_view name, int class_count);

// The four names.
std::vector<std::string> resnet_v1_names();

}  // namespace narrow
