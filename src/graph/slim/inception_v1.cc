// Szegedy et al., "Going Deeper with Convolutions", CVPR 2015.
#include <array>

#include "graph/slim/inception_style.h"
#include "graph/slim/slim_families.h"

namespace narrow {
namespace {

// Channels of the four branches.
struct V1Block {
  const char* scope;
  int pixel;
  std::array<int, 2> middle;
  std::array<int, 2> large;
  int pool;
  const char* large_name = "Conv2d_0b_3x3";
};

Channels add_v1_block(SlimBuilder& net, Channels x, const V1Block& block) {
  const std::string scope = block.scope;
  const std::string pool = scope + "/Branch_3";
  return net.concat(
      scope,
      {net.conv(scope + "/Branch_0", x, {"Conv2d_0a_1x1", block.pixel}),
       net.chain(scope + "/Branch_1", x,
                 {{"Conv2d_0a_1x1", block.middle[0]}, {"Conv2d_0b_3x3", block.middle[1], 3, 3}}),
       net.chain(scope + "/Branch_2", x,
                 {{"Conv2d_0a_1x1", block.large[0]}, {block.large_name, block.large[1], 3, 3}}),
       max_pooled_branch(net, pool, x, {"Conv2d_0b_1x1", block.pool})});
}

}  // namespace

SlimGraph make_inception_v1(const SlimRequest& request) {
  SlimStyle style = kInceptionStyle;
  style.weights = {InitializerKind::kTruncatedNormal, 0.01};
  SlimBuilder net(request, style);
  Channels x = net.conv("", net.images(), {"Conv2d_1a_7x7", 64, 7, 7, 2});
  x = net.max_pool("MaxPool_2a_3x3", x, 3, 2, kSame);
  x = net.chain("", x, {{"Conv2d_2b_1x1", 64}, {"Conv2d_2c_3x3", 192, 3, 3}});
  x = net.max_pool("MaxPool_3a_3x3", x, 3, 2, kSame);
  x = add_v1_block(net, x, {"Mixed_3b", 64, {96, 128}, {16, 32}, 32});
  x = add_v1_block(net, x, {"Mixed_3c", 128, {128, 192}, {32, 96}, 64});
  x = net.max_pool("MaxPool_4a_3x3", x, 3, 2, kSame);
  x = add_v1_block(net, x, {"Mixed_4b", 192, {96, 208}, {16, 48}, 64});
  x = add_v1_block(net, x, {"Mixed_4c", 160, {112, 224}, {24, 64}, 64});
  x = add_v1_block(net, x, {"Mixed_4d", 128, {128, 256}, {24, 64}, 64});
  x = add_v1_block(net, x, {"Mixed_4e", 112, {144, 288}, {32, 64}, 64});
  x = add_v1_block(net, x, {"Mixed_4f", 256, {160, 320}, {32, 128}, 128});
  x = net.max_pool("MaxPool_5a_2x2", x, 2, 2, kSame);
  x = add_v1_block(net, x, {"Mixed_5b", 256, {160, 320}, {32, 128}, 128, "Conv2d_0a_3x3"});
  x = add_v1_block(net, x, {"Mixed_5c", 384, {192, 384}, {48, 128}, 128});
  SlimStyle last = kInceptionStyle;
  last.norm.reset();
  last.activation = SlimActivation::kNone;
  x = net.global_mean("Logits/AvgPool_0a_7x7", x);
  x = net.dropout("Logits/Dropout_0b", x, kInceptionKeepProb);
  x = net.conv("Logits", x, {"Conv2d_0c_1x1", request.class_count}, last);
  return net.finish({net.squeeze("Logits/SpatialSqueeze", x)});
}

}  // namespace narrow
