// Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
// Learning", AAAI 2017: the larger of the networks with residual connections.
#include <fmt/format.h>

#include "graph/slim/inception_style.h"
#include "graph/slim/slim_families.h"

namespace narrow {
namespace {

// inception_resnet_v2_arg_scope regularizes biases as well.
constexpr SlimStyle regularized(SlimStyle style) {
  style.decay = SlimDecay::kWeightsAndBiases;
  return style;
}
constexpr SlimStyle kLogits = regularized(kInceptionLogits);

Channels add_resnet_stem(SlimBuilder& net) {
  const Channels x = inception_stem(net);
  const std::string scope = "Mixed_5b";
  return net.concat(
      scope,
      {net.conv(scope + "/Branch_0", x, {"Conv2d_1x1", 96}),
       net.chain(scope + "/Branch_1", x, {{"Conv2d_0a_1x1", 48}, {"Conv2d_0b_5x5", 64, 5, 5}}),
       net.chain(scope + "/Branch_2", x,
                 {{"Conv2d_0a_1x1", 64}, {"Conv2d_0b_3x3", 96, 3, 3}, {"Conv2d_0c_3x3", 96, 3, 3}}),
       pooled_branch(net, scope + "/Branch_3", x, {"Conv2d_0b_1x1", 64})});
}

// x and what the branches say of it, as far as `scale`.
Channels finish_block(SlimBuilder& net, const std::string& scope, Channels x, Channels mixed,
                      double scale, SlimActivation activation) {
  const Channels up = net.linear(scope, mixed, {"Conv2d_1x1", x.count});
  return net.activate(scope, net.residual(scope, x, up, scale), activation);
}

Channels add_block35(SlimBuilder& net, const std::string& scope, Channels x) {
  const Channels mixed = net.concat(
      scope,
      {net.conv(scope + "/Branch_0", x, {"Conv2d_1x1", 32}),
       net.chain(scope + "/Branch_1", x, {{"Conv2d_0a_1x1", 32}, {"Conv2d_0b_3x3", 32, 3, 3}}),
       net.chain(
           scope + "/Branch_2", x,
           {{"Conv2d_0a_1x1", 32}, {"Conv2d_0b_3x3", 48, 3, 3}, {"Conv2d_0c_3x3", 64, 3, 3}})});
  return finish_block(net, scope, x, mixed, 0.17, SlimActivation::kRelu);
}

Channels add_block17(SlimBuilder& net, const std::string& scope, Channels x) {
  const Channels mixed = net.concat(
      scope,
      {net.conv(scope + "/Branch_0", x, {"Conv2d_1x1", 192}),
       net.chain(
           scope + "/Branch_1", x,
           {{"Conv2d_0a_1x1", 128}, {"Conv2d_0b_1x7", 160, 1, 7}, {"Conv2d_0c_7x1", 192, 7, 1}})});
  return finish_block(net, scope, x, mixed, 0.1, SlimActivation::kRelu);
}

Channels add_block8(SlimBuilder& net, const std::string& scope, Channels x, double scale,
                    SlimActivation activation) {
  const Channels mixed = net.concat(
      scope,
      {net.conv(scope + "/Branch_0", x, {"Conv2d_1x1", 192}),
       net.chain(
           scope + "/Branch_1", x,
           {{"Conv2d_0a_1x1", 192}, {"Conv2d_0b_1x3", 224, 1, 3}, {"Conv2d_0c_3x1", 256, 3, 1}})});
  return finish_block(net, scope, x, mixed, scale, activation);
}

Channels add_mixed_6a(SlimBuilder& net, Channels x) {
  const std::string scope = "Mixed_6a";
  return net.concat(scope,
                    {net.conv(scope + "/Branch_0", x, {"Conv2d_1a_3x3", 384, 3, 3, 2, kValid}),
                     net.chain(scope + "/Branch_1", x,
                               {{"Conv2d_0a_1x1", 256},
                                {"Conv2d_0b_3x3", 256, 3, 3},
                                {"Conv2d_1a_3x3", 384, 3, 3, 2, kValid}}),
                     halved_branch(net, scope + "/Branch_2", x, kValid)});
}

Channels add_mixed_7a(SlimBuilder& net, Channels x) {
  const std::string scope = "Mixed_7a";
  return net.concat(scope,
                    {net.chain(scope + "/Branch_0", x,
                               {{"Conv2d_0a_1x1", 256}, {"Conv2d_1a_3x3", 384, 3, 3, 2, kValid}}),
                     net.chain(scope + "/Branch_1", x,
                               {{"Conv2d_0a_1x1", 256}, {"Conv2d_1a_3x3", 288, 3, 3, 2, kValid}}),
                     net.chain(scope + "/Branch_2", x,
                               {{"Conv2d_0a_1x1", 256},
                                {"Conv2d_0b_3x3", 288, 3, 3},
                                {"Conv2d_1a_3x3", 320, 3, 3, 2, kValid}}),
                     halved_branch(net, scope + "/Branch_3", x, kValid)});
}

Channels add_resnet_head(SlimBuilder& net, Channels x, int class_count) {
  const std::string scope = "AuxLogits";
  x = net.average_pool(scope + "/Conv2d_1a_3x3", x, 5, 3, kValid);
  x = net.chain(scope, x, {{"Conv2d_1b_1x1", 128}, {"Conv2d_2a_5x5", 768, 5, 5, 1, kValid}});
  return net.fully_connected(scope + "/Logits", net.squeeze(scope + "/Flatten", x), 768,
                             class_count, kLogits);
}

}  // namespace

SlimGraph make_inception_resnet_v2(const SlimRequest& request) {
  SlimBuilder net(request, regularized(kInceptionStyle));
  Channels x = add_resnet_stem(net);
  for (int i = 1; i <= 10; ++i) x = add_block35(net, fmt::format("Repeat/block35_{}", i), x);
  x = add_mixed_6a(net, x);
  for (int i = 1; i <= 20; ++i) x = add_block17(net, fmt::format("Repeat_1/block17_{}", i), x);
  Channels head;
  if (request.training) head = add_resnet_head(net, x, request.class_count);
  x = add_mixed_7a(net, x);
  for (int i = 1; i <= 9; ++i) {
    x = add_block8(net, fmt::format("Repeat_2/block8_{}", i), x, 0.2, SlimActivation::kRelu);
  }
  x = add_block8(net, "Block8", x, 1, SlimActivation::kNone);
  x = net.global_mean("Logits/AvgPool_1a_8x8", net.conv("", x, {"Conv2d_7b_1x1", 1536}));
  x = net.dropout("Logits/Dropout", net.squeeze("Logits/Flatten", x), kInceptionKeepProb);
  const Channels logits =
      net.fully_connected("Logits/Logits", x, x.count, request.class_count, kLogits);
  return request.training ? net.finish({logits, head}) : net.finish({logits});
}

}  // namespace narrow
