// Test support: small networks with everything that TF-Slim's have, for images of about 16 pixels.
#pragma once

#include "graph/slim/slim_builder.h"

namespace narrow {

constexpr int kThinClasses = 4;

inline SlimRequest thin_request() { return {"thin", "thin", kThinClasses, true}; }

// Batch norms without gamma, oblong kernels, pools with padding, Concat, a scaled residual sum, an
// auxiliary head, Dropout and fully connected logits.
inline Graph thin_inception() {
  SlimBuilder net(thin_request(), {.norm = SlimNorm{.epsilon = 0.001, .decay = 0.9}});
  Channels x = net.conv("", net.images(), {"stem", 5, 3, 3, 2, kValid});
  x = net.concat("mixed",
                 {net.conv("mixed/a", x, {"1x1", 3}),
                  net.chain("mixed/b", x, {{"1x3", 3, 1, 3}, {"3x1", 4, 3, 1}}),
                  net.conv("mixed/c", net.average_pool("mixed/c/pool", x, 3, 1, kSame), {"1x1", 2}),
                  net.max_pool("mixed/d", x, 3, 1, kSame)});
  const Channels up = net.linear("block", x, {"up", x.count});
  x = net.activate("block", net.residual("block", x, up, 0.3), SlimActivation::kRelu);
  Channels head = net.average_pool("head/pool", x, 3, 2, kValid);
  head = net.conv("head", head, {"whole", 6, 3, 3, 1, kValid});
  const SlimStyle plain = {.activation = SlimActivation::kNone};
  head = net.fully_connected("head/logits", net.squeeze("head/flat", head), 6, kThinClasses, plain);
  x = net.global_mean("mean", net.conv("", x, {"last", 7, 3, 3, 2, kValid}));
  x = net.squeeze("flat", net.dropout("dropout", x, 0.8));
  return net.finish({net.fully_connected("logits", x, 7, kThinClasses, plain), head}).graph;
}

// Depthwise convolutions with strides and with two outputs a channel, ReLU6, residual sums.
inline Graph thin_mobilenet() {
  SlimBuilder net(thin_request(), {.norm = SlimNorm{.decay = 0.9, .scale = true},
                                   .activation = SlimActivation::kRelu6});
  Channels x = net.conv("", net.images(), {"stem", 6, 3, 3, 2});
  x = net.conv("", net.depthwise("first", x, {"", 0, 3, 3, 1}, 1), {"wide", 9});
  x = net.conv("", net.depthwise("second", x, {"", 0, 3, 3, 2}, 1), {"narrow", 5});
  SlimStyle bare = net.style();
  bare.activation = SlimActivation::kNone;
  Channels y = net.depthwise("third", net.conv("", x, {"expand", 8}), {"", 0, 5, 3, 1}, 1);
  x = net.residual("sum", x, net.conv("", y, {"project", 5}, bare));
  x = net.separable("separable", x, {"", 6, 3, 3, 2, kSame, 0.1}, 2);
  x = net.linear("", net.global_mean("mean", x), {"logits", kThinClasses});
  return net.finish({net.squeeze("flat", x)}).graph;
}

// Batch norm and ReLU before convolutions, sums that several units read.
inline Graph thin_resnet_v2() {
  const SlimNorm norm = {.epsilon = 1e-5, .decay = 0.9, .scale = true};
  SlimBuilder net(thin_request(), {.norm = norm});
  const auto before = [&](const std::string& scope, Channels x) {
    return net.activate(scope, net.norm(scope, x, norm), SlimActivation::kRelu);
  };
  Channels x = net.linear("", net.images(), {"root", 4, 7, 7, 2, kFixedSame});
  x = net.max_pool("pool", x, 3, 2, kSame);
  Channels y = before("a/preact", x);
  const Channels shortcut = net.linear("a", y, {"shortcut", 8});
  y = net.conv("a", net.conv("a", y, {"conv1", 3}), {"conv2", 3, 3, 3, 1, kFixedSame});
  x = net.residual("a", shortcut, net.linear("a", y, {"conv3", 8}));
  y = net.conv("b", before("b/preact", x), {"conv2", 3, 3, 3, 2, kFixedSame});
  x = net.residual("b", net.max_pool("b/shortcut", x, 1, 2, kSame),
                   net.linear("b", y, {"conv3", 8}));
  x = net.global_mean("mean", before("postnorm", x));
  return net.finish({net.squeeze("flat", net.linear("", x, {"logits", kThinClasses}))}).graph;
}

// Biases, local response normalization, a matrix over all pixels, Dropout.
inline Graph thin_cifarnet() {
  SlimBuilder net(thin_request(), {});
  const op::LocalResponseNormalization lrn{.alpha = 0.5, .beta = 0.75, .bias = 1, .size = 5};
  Channels x = net.conv("", net.images(), {"conv1", 10, 5, 5, 2});
  x = net.add("norm1", lrn, net.max_pool("pool1", x, 2, 2, kValid));
  const op::LocalResponseNormalization other{.alpha = 0.8, .beta = 0.5, .bias = 2, .size = 4};
  x = net.add("norm2", other, net.conv("", x, {"conv2", 6, 3, 3}));
  x = net.add("flat/order", op::Transpose{{0, 2, 3, 1}}, net.max_pool("pool2", x, 2, 2, kValid));
  x = net.fully_connected("fc3", net.add("flat", op::Flatten{}, x), 24, 9, net.style());
  x = net.fully_connected("fc4", net.dropout("dropout3", x, 0.5), 9, 7, net.style());
  return net
      .finish({net.fully_connected("logits", x, 7, kThinClasses,
                                   {.activation = SlimActivation::kNone})})
      .graph;
}

// Convolutions with biases, one of them over a whole image.
inline Graph thin_vgg() {
  SlimBuilder net(thin_request(), {});
  Channels x = net.conv("", net.images(), {"conv1", 5, 3, 3});
  x = net.conv("", net.max_pool("pool1", x, 4, 4, kValid), {"conv2", 6, 3, 3});
  x = net.dropout("dropout6", net.conv("", x, {"fc6", 8, 4, 4, 1, kValid}), 0.5);
  return net.finish({net.squeeze("flat", net.linear("", x, {"fc8", kThinClasses}))}).graph;
}

}  // namespace narrow
