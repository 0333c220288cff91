// Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016.
#include "graph/slim/inception_style.h"
#include "graph/slim/slim_families.h"

namespace narrow {
namespace {

// 35 x 35. The names of the second branch differ in one block.
Channels add_large(SlimBuilder& net, const std::string& scope, Channels x, int pooled,
                   const char* first = "Conv2d_0a_1x1", const char* second = "Conv2d_0b_5x5") {
  return net.concat(
      scope,
      {net.conv(scope + "/Branch_0", x, {"Conv2d_0a_1x1", 64}),
       net.chain(scope + "/Branch_1", x, {{first, 48}, {second, 64, 5, 5}}),
       net.chain(scope + "/Branch_2", x,
                 {{"Conv2d_0a_1x1", 64}, {"Conv2d_0b_3x3", 96, 3, 3}, {"Conv2d_0c_3x3", 96, 3, 3}}),
       pooled_branch(net, scope + "/Branch_3", x, {"Conv2d_0b_1x1", pooled})});
}

Channels add_mixed_6a_v3(SlimBuilder& net, Channels x) {
  const std::string scope = "Mixed_6a";
  return net.concat(scope,
                    {net.conv(scope + "/Branch_0", x, {"Conv2d_1a_1x1", 384, 3, 3, 2, kValid}),
                     net.chain(scope + "/Branch_1", x,
                               {{"Conv2d_0a_1x1", 64},
                                {"Conv2d_0b_3x3", 96, 3, 3},
                                {"Conv2d_1a_1x1", 96, 3, 3, 2, kValid}}),
                     halved_branch(net, scope + "/Branch_2", x, kValid)});
}

// 17 x 17.
Channels add_middle(SlimBuilder& net, const std::string& scope, Channels x, int inner) {
  return net.concat(scope, {net.conv(scope + "/Branch_0", x, {"Conv2d_0a_1x1", 192}),
                            net.chain(scope + "/Branch_1", x,
                                      {{"Conv2d_0a_1x1", inner},
                                       {"Conv2d_0b_1x7", inner, 1, 7},
                                       {"Conv2d_0c_7x1", 192, 7, 1}}),
                            net.chain(scope + "/Branch_2", x,
                                      {{"Conv2d_0a_1x1", inner},
                                       {"Conv2d_0b_7x1", inner, 7, 1},
                                       {"Conv2d_0c_1x7", inner, 1, 7},
                                       {"Conv2d_0d_7x1", inner, 7, 1},
                                       {"Conv2d_0e_1x7", 192, 1, 7}}),
                            pooled_branch(net, scope + "/Branch_3", x, {"Conv2d_0b_1x1", 192})});
}

Channels add_mixed_7a_v3(SlimBuilder& net, Channels x) {
  const std::string scope = "Mixed_7a";
  return net.concat(scope,
                    {net.chain(scope + "/Branch_0", x,
                               {{"Conv2d_0a_1x1", 192}, {"Conv2d_1a_3x3", 320, 3, 3, 2, kValid}}),
                     net.chain(scope + "/Branch_1", x,
                               {{"Conv2d_0a_1x1", 192},
                                {"Conv2d_0b_1x7", 192, 1, 7},
                                {"Conv2d_0c_7x1", 192, 7, 1},
                                {"Conv2d_1a_3x3", 192, 3, 3, 2, kValid}}),
                     halved_branch(net, scope + "/Branch_2", x, kValid)});
}

// 8 x 8. `tall` is the name of the second branch's 3x1 convolution.
Channels add_small(SlimBuilder& net, const std::string& scope, Channels x, const char* tall) {
  const std::string middle = scope + "/Branch_1";
  const std::string large = scope + "/Branch_2";
  const Channels pixel = net.conv(scope + "/Branch_0", x, {"Conv2d_0a_1x1", 320});
  Channels y = net.conv(middle, x, {"Conv2d_0a_1x1", 384});
  const Channels both = net.concat(middle, {net.conv(middle, y, {"Conv2d_0b_1x3", 384, 1, 3}),
                                            net.conv(middle, y, {tall, 384, 3, 1})});
  y = net.chain(large, x, {{"Conv2d_0a_1x1", 448}, {"Conv2d_0b_3x3", 384, 3, 3}});
  return net.concat(scope, {pixel, both,
                            net.concat(large, {net.conv(large, y, {"Conv2d_0c_1x3", 384, 1, 3}),
                                               net.conv(large, y, {"Conv2d_0d_3x1", 384, 3, 1})}),
                            pooled_branch(net, scope + "/Branch_3", x, {"Conv2d_0b_1x1", 192})});
}

Channels add_v3_head(SlimBuilder& net, Channels x, int class_count) {
  const std::string scope = "AuxLogits";
  x = net.average_pool(scope + "/AvgPool_1a_5x5", x, 5, 3, kValid);
  x = net.chain(scope, x, {{"Conv2d_1b_1x1", 128}, {"Conv2d_2a_5x5", 768, 5, 5, 1, kValid, 0.01}});
  x = net.linear(scope, x, {"Conv2d_2b_1x1", class_count, 1, 1, 1, kSame, 0.001});
  return net.squeeze(scope + "/SpatialSqueeze", x);
}

}  // namespace

SlimGraph make_inception_v3(const SlimRequest& request) {
  SlimBuilder net(request, kInceptionStyle);
  Channels x = add_large(net, "Mixed_5b", inception_stem(net), 32);
  x = add_large(net, "Mixed_5c", x, 64, "Conv2d_0b_1x1", "Conv_1_0c_5x5");
  x = add_mixed_6a_v3(net, add_large(net, "Mixed_5d", x, 64));
  x = add_middle(net, "Mixed_6b", x, 128);
  x = add_middle(net, "Mixed_6c", x, 160);
  x = add_middle(net, "Mixed_6d", x, 160);
  x = add_middle(net, "Mixed_6e", x, 192);
  Channels head;
  if (request.training) head = add_v3_head(net, x, request.class_count);
  x = add_small(net, "Mixed_7b", add_mixed_7a_v3(net, x), "Conv2d_0b_3x1");
  x = add_small(net, "Mixed_7c", x, "Conv2d_0c_3x1");
  x = net.global_mean("Logits/AvgPool_1a_8x8", x);
  x = net.dropout("Logits/Dropout_1b", x, kInceptionKeepProb);
  x = net.linear("Logits", x, {"Conv2d_1c_1x1", request.class_count});
  const Channels logits = net.squeeze("Logits/SpatialSqueeze", x);
  return request.training ? net.finish({logits, head}) : net.finish({logits});
}

}  // namespace narrow
