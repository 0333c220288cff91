// Krizhevsky's layers-18pct.cfg of cuda-convnet with local response normalization; LeCun et al.,
// "Gradient-based learning applied to document recognition", 1998, in Slim's variants.
#include "graph/slim/slim_builder.h"
#include "graph/slim/slim_families.h"

namespace narrow {
namespace {

constexpr int kCifarSide = 32;
constexpr int kDigitSide = 28;
// Two pools halve the sides.
constexpr int elements(int side, int channels) { return side / 4 * (side / 4) * channels; }

// Rows, columns, channels of every example in a row.
Channels flatten(SlimBuilder& net, Channels x) {
  const Channels last = net.add("Flatten/order", op::Transpose{{0, 2, 3, 1}}, x);
  return net.add("Flatten", op::Flatten{}, last);
}

constexpr double kKeepProb = 0.5;

constexpr SlimStyle normal(double stddev, float biases, SlimActivation activation,
                           SlimDecay decay = SlimDecay::kWeights) {
  return {{}, activation, {InitializerKind::kTruncatedNormal, stddev}, biases, decay};
}

}  // namespace

SlimGraph make_cifarnet(const SlimRequest& request) {
  // tf.nn.lrn with a radius of 4 and alpha 0.001 / 9, which ONNX divides by the nine channels.
  const op::LocalResponseNormalization lrn{.alpha = 0.001, .beta = 0.75, .bias = 1, .size = 9};
  const SlimStyle full = normal(0.04, 0.1F, SlimActivation::kRelu);
  // Of the weights only those of fc3 and fc4 are regularized.
  SlimBuilder net(request, normal(0.05, 0, SlimActivation::kRelu, SlimDecay::kNone));
  Channels x = net.conv("", net.images(), {"conv1", 64, 5, 5});
  x = net.add("norm1", lrn, net.max_pool("pool1", x, 2, 2, kValid));
  x = net.add("norm2", lrn, net.conv("", x, {"conv2", 64, 5, 5}));
  x = flatten(net, net.max_pool("pool2", x, 2, 2, kValid));
  x = net.fully_connected("fc3", x, elements(kCifarSide, 64), 384, full);
  x = net.dropout("dropout3", x, kKeepProb);
  x = net.fully_connected("fc4", x, 384, 192, full);
  const SlimStyle last = normal(1 / 192.0, 0, SlimActivation::kNone, SlimDecay::kNone);
  return net.finish({net.fully_connected("logits", x, 192, request.class_count, last)});
}

SlimGraph make_lenet(const SlimRequest& request) {
  SlimBuilder net(request, normal(0.1, 0, SlimActivation::kRelu));
  Channels x = net.conv("", net.images(), {"conv1", 32, 5, 5});
  x = net.conv("", net.max_pool("pool1", x, 2, 2, kValid), {"conv2", 64, 5, 5});
  x = flatten(net, net.max_pool("pool2", x, 2, 2, kValid));
  x = net.fully_connected("fc3", x, elements(kDigitSide, 64), 1024, net.style());
  x = net.dropout("dropout3", x, kKeepProb);
  return net.finish({net.fully_connected("fc4", x, 1024, request.class_count,
                                         normal(0.1, 0, SlimActivation::kNone))});
}

}  // namespace narrow
