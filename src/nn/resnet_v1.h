// ResNet V1 with bottleneck units as TF-Slim builds it, described as plain data: layers and model
// variables. Inference, training, initialisation and selection of variables all read this.
//
// Structure: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with Slim's
// placement of strides: in the 3x3 convolution of the LAST unit of a block (and in its shortcut).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/tensor.h"

namespace narrow {

enum class VariableKind {
  kConvWeights,     // [height, width, in, out]
  kGamma,           // [out]; the batch norm variables of a convolution
  kBeta,            // [out]
  kMovingMean,      // [out]
  kMovingVariance,  // [out]
  kLogitsWeights,   // [1, 1, in, classes]
  kLogitsBiases,    // [classes]
};

// A variable that a checkpoint of the network holds; always float32.
struct ModelVariable {
  std::string name;  // "resnet_v1_50/block1/unit_1/bottleneck_v1/conv1/weights"
  Shape shape;
  VariableKind kind = VariableKind::kConvWeights;
  bool operator==(const ModelVariable&) const = default;
};

// Whether an optimizer changes it: everything but the moving statistics.
bool is_trainable(VariableKind kind) noexcept;
// Whether Slim's L2 term covers it: the weights of convolutions and logits, nothing else.
bool is_regularized(VariableKind kind) noexcept;

// Constants of every batch norm of the network.
constexpr double kBatchNormEpsilon = 1e-5;
constexpr double kBatchNormDecay = 0.997;

// A convolution without bias, batch norm behind it. Its padding is Slim's conv2d_same: the result
// is that of stride 1 with zero padding (kernel - 1) / 2 on every side (kernels are odd), of which
// every stride-th pixel is kept, beginning with the first.
struct ConvLayer {
  std::string name;  // the scope: "resnet_v1_50/conv1"
  int kernel = 1;
  int in_depth = 0;
  int out_depth = 0;
  int stride = 1;
  bool relu = true;  // applied after the batch norm

  [[nodiscard]] std::string weights_name() const { return name + "/weights"; }
  [[nodiscard]] std::string gamma_name() const { return name + "/BatchNorm/gamma"; }
  [[nodiscard]] std::string beta_name() const { return name + "/BatchNorm/beta"; }
  [[nodiscard]] std::string moving_mean_name() const { return name + "/BatchNorm/moving_mean"; }
  [[nodiscard]] std::string moving_variance_name() const {
    return name + "/BatchNorm/moving_variance";
  }
  [[nodiscard]] Shape weights_shape() const { return {kernel, kernel, in_depth, out_depth}; }
};

// output = relu(shortcut(x) + conv3(conv2(conv1(x)))).
struct BottleneckUnit {
  std::string name;  // the scope: "resnet_v1_50/block1/unit_1/bottleneck_v1"
  int in_depth = 0;
  int out_depth = 0;
  int stride = 1;  // of conv2 and of the shortcut
  // Present when the depths differ (stride is 1 then); else every stride-th pixel of x.
  std::optional<ConvLayer> shortcut;
  ConvLayer conv1;
  ConvLayer conv2;
  ConvLayer conv3;
};

// The network: conv1 (7x7, stride 2), 3x3 max-pooling with stride 2 and TensorFlow's SAME padding,
// the units, the mean over height and width, and the logits (1x1 convolution with bias).
struct ResnetV1 {
  std::string name;  // the outermost scope, "resnet_v1_50"
  ConvLayer conv1;
  std::vector<BottleneckUnit> units;
  int feature_depth = 0;  // channels of the last unit
  int class_count = 0;

  [[nodiscard]] std::string logits_name() const { return name + "/logits"; }
  // Every convolution with batch norm, in the order in which Slim creates them: conv1, then of each
  // unit the shortcut (if it is one), conv1, conv2, conv3.
  [[nodiscard]] std::vector<const ConvLayer*> conv_layers() const;
  // Every model variable in the order of creation: of each layer weights, gamma, beta, moving mean
  // and moving variance; last the logits' weights and biases.
  [[nodiscard]] std::vector<ModelVariable> variables() const;
};

struct ResnetV1Block {
  int base_depth = 0;  // of the unit's conv1 and conv2; its output has four times as many channels
  int unit_count = 0;
  int last_stride = 1;  // of the last unit
};

// A variant: tests use few and thin units of the same make.
struct ResnetV1Shape {
  std::string name;
  int root_depth = 64;
  std::vector<ResnetV1Block> blocks;
  int class_count = 0;
};

// Throws Error(kUsage): no block, a number that is not positive, or a last unit with stride whose
// shortcut changes the depth (Slim's networks have none, and its rule for it is not used here).
ResnetV1 make_resnet_v1(const ResnetV1Shape& shape);

// "resnet_v1_50", "resnet_v1_101", "resnet_v1_152" or "resnet_v1_200".
// Throws Error(kUsage) naming the four, or when class_count < 1.
ResnetV1 resnet_v1(std::string_view name, int class_count);

// The four names.
std::vector<std::string> resnet_v1_names();

// Height or width of an image of `size` pixels after conv1, pool1 or a unit with this stride:
// ceil(size / stride) for all of them.
constexpr int strided_size(int size, int stride) { return (size + stride - 1) / stride; }

}  // namespace narrow
