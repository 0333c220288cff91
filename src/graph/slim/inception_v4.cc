// Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
// Learning", AAAI 2017: the network without residual connections.
#include "graph/slim/inception_style.h"
#include "graph/slim/slim_families.h"

namespace narrow {
namespace {

Channels add_v4_stem(SlimBuilder& net) {
  const Channels x = net.chain("", net.images(),
                               {{"Conv2d_1a_3x3", 32, 3, 3, 2, kValid},
                                {"Conv2d_2a_3x3", 32, 3, 3, 1, kValid},
                                {"Conv2d_2b_3x3", 64, 3, 3}});
  const Channels mixed_3a = net.concat(
      "Mixed_3a", {net.max_pool("Mixed_3a/Branch_0/MaxPool_0a_3x3", x, 3, 2, kValid),
                   net.conv("Mixed_3a/Branch_1", x, {"Conv2d_0a_3x3", 96, 3, 3, 2, kValid})});
  const Channels mixed_4a = net.concat(
      "Mixed_4a", {net.chain("Mixed_4a/Branch_0", mixed_3a,
                             {{"Conv2d_0a_1x1", 64}, {"Conv2d_1a_3x3", 96, 3, 3, 1, kValid}}),
                   net.chain("Mixed_4a/Branch_1", mixed_3a,
                             {{"Conv2d_0a_1x1", 64},
                              {"Conv2d_0b_1x7", 64, 1, 7},
                              {"Conv2d_0c_7x1", 64, 7, 1},
                              {"Conv2d_1a_3x3", 96, 3, 3, 1, kValid}})});
  return net.concat(
      "Mixed_5a", {net.conv("Mixed_5a/Branch_0", mixed_4a, {"Conv2d_1a_3x3", 192, 3, 3, 2, kValid}),
                   halved_branch(net, "Mixed_5a/Branch_1", mixed_4a, kValid)});
}

Channels add_block_a(SlimBuilder& net, const std::string& scope, Channels x) {
  return net.concat(
      scope,
      {net.conv(scope + "/Branch_0", x, {"Conv2d_0a_1x1", 96}),
       net.chain(scope + "/Branch_1", x, {{"Conv2d_0a_1x1", 64}, {"Conv2d_0b_3x3", 96, 3, 3}}),
       net.chain(scope + "/Branch_2", x,
                 {{"Conv2d_0a_1x1", 64}, {"Conv2d_0b_3x3", 96, 3, 3}, {"Conv2d_0c_3x3", 96, 3, 3}}),
       pooled_branch(net, scope + "/Branch_3", x, {"Conv2d_0b_1x1", 96})});
}

Channels add_reduction_a(SlimBuilder& net, const std::string& scope, Channels x) {
  return net.concat(scope,
                    {net.conv(scope + "/Branch_0", x, {"Conv2d_1a_3x3", 384, 3, 3, 2, kValid}),
                     net.chain(scope + "/Branch_1", x,
                               {{"Conv2d_0a_1x1", 192},
                                {"Conv2d_0b_3x3", 224, 3, 3},
                                {"Conv2d_1a_3x3", 256, 3, 3, 2, kValid}}),
                     halved_branch(net, scope + "/Branch_2", x, kValid)});
}

Channels add_block_b(SlimBuilder& net, const std::string& scope, Channels x) {
  return net.concat(
      scope,
      {net.conv(scope + "/Branch_0", x, {"Conv2d_0a_1x1", 384}),
       net.chain(
           scope + "/Branch_1", x,
           {{"Conv2d_0a_1x1", 192}, {"Conv2d_0b_1x7", 224, 1, 7}, {"Conv2d_0c_7x1", 256, 7, 1}}),
       net.chain(scope + "/Branch_2", x,
                 {{"Conv2d_0a_1x1", 192},
                  {"Conv2d_0b_7x1", 192, 7, 1},
                  {"Conv2d_0c_1x7", 224, 1, 7},
                  {"Conv2d_0d_7x1", 224, 7, 1},
                  {"Conv2d_0e_1x7", 256, 1, 7}}),
       pooled_branch(net, scope + "/Branch_3", x, {"Conv2d_0b_1x1", 128})});
}

Channels add_reduction_b(SlimBuilder& net, const std::string& scope, Channels x) {
  return net.concat(scope,
                    {net.chain(scope + "/Branch_0", x,
                               {{"Conv2d_0a_1x1", 192}, {"Conv2d_1a_3x3", 192, 3, 3, 2, kValid}}),
                     net.chain(scope + "/Branch_1", x,
                               {{"Conv2d_0a_1x1", 256},
                                {"Conv2d_0b_1x7", 256, 1, 7},
                                {"Conv2d_0c_7x1", 320, 7, 1},
                                {"Conv2d_1a_3x3", 320, 3, 3, 2, kValid}}),
                     halved_branch(net, scope + "/Branch_2", x, kValid)});
}

Channels add_block_c(SlimBuilder& net, const std::string& scope, Channels x) {
  const std::string middle = scope + "/Branch_1";
  const std::string large = scope + "/Branch_2";
  const Channels pixel = net.conv(scope + "/Branch_0", x, {"Conv2d_0a_1x1", 256});
  Channels y = net.conv(middle, x, {"Conv2d_0a_1x1", 384});
  const Channels both = net.concat(middle, {net.conv(middle, y, {"Conv2d_0b_1x3", 256, 1, 3}),
                                            net.conv(middle, y, {"Conv2d_0c_3x1", 256, 3, 1})});
  y = net.chain(
      large, x,
      {{"Conv2d_0a_1x1", 384}, {"Conv2d_0b_3x1", 448, 3, 1}, {"Conv2d_0c_1x3", 512, 1, 3}});
  return net.concat(scope, {pixel, both,
                            net.concat(large, {net.conv(large, y, {"Conv2d_0d_1x3", 256, 1, 3}),
                                               net.conv(large, y, {"Conv2d_0e_3x1", 256, 3, 1})}),
                            pooled_branch(net, scope + "/Branch_3", x, {"Conv2d_0b_1x1", 256})});
}

Channels add_v4_head(SlimBuilder& net, Channels x, int class_count) {
  const std::string scope = "AuxLogits";
  x = net.average_pool(scope + "/AvgPool_1a_5x5", x, 5, 3, kValid);
  x = net.chain(scope, x, {{"Conv2d_1b_1x1", 128}, {"Conv2d_2a", 768, 5, 5, 1, kValid}});
  return net.fully_connected(scope + "/Aux_logits", net.squeeze(scope + "/Flatten", x), 768,
                             class_count, kInceptionLogits);
}

}  // namespace

SlimGraph make_inception_v4(const SlimRequest& request) {
  SlimBuilder net(request, kInceptionStyle);
  Channels x = add_v4_stem(net);
  for (const char* scope : {"Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_5e"}) {
    x = add_block_a(net, scope, x);
  }
  x = add_reduction_a(net, "Mixed_6a", x);
  for (const char* scope :
       {"Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_6f", "Mixed_6g", "Mixed_6h"}) {
    x = add_block_b(net, scope, x);
  }
  Channels head;
  if (request.training) head = add_v4_head(net, x, request.class_count);
  x = add_reduction_b(net, "Mixed_7a", x);
  for (const char* scope : {"Mixed_7b", "Mixed_7c", "Mixed_7d"}) x = add_block_c(net, scope, x);
  x = net.global_mean("Logits/AvgPool_1a", x);
  x = net.squeeze("Logits/PreLogitsFlatten",
                  net.dropout("Logits/Dropout_1b", x, kInceptionKeepProb));
  const Channels logits =
      net.fully_connected("Logits/Logits", x, x.count, request.class_count, kInceptionLogits);
  return request.training ? net.finish({logits, head}) : net.finish({logits});
}

}  // namespace narrow
