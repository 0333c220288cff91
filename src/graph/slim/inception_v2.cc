// Ioffe and Szegedy, "Batch Normalization", ICML 2015.
#include <array>

#include "graph/slim/inception_style.h"
#include "graph/slim/slim_families.h"

namespace narrow {
namespace {

constexpr double kReducing = 0.09;  // standard deviations
constexpr double kPooled = 0.1;

SlimConv pixel(const char* scope, int channels, double stddev = 0) {
  return {scope, channels, 1, 1, 1, kSame, stddev};
}

// Channels of the four branches.
struct V2Block {
  const char* scope;
  int pixel;
  std::array<int, 2> middle;
  std::array<int, 2> large;
  int pool;
  bool takes_largest = false;
};

Channels add_v2_block(SlimBuilder& net, Channels x, const V2Block& block) {
  const std::string scope = block.scope;
  const std::string pool = scope + "/Branch_3";
  const SlimConv last = pixel("Conv2d_0b_1x1", block.pool, kPooled);
  return net.concat(scope, {net.conv(scope + "/Branch_0", x, pixel("Conv2d_0a_1x1", block.pixel)),
                            net.chain(scope + "/Branch_1", x,
                                      {pixel("Conv2d_0a_1x1", block.middle[0], kReducing),
                                       {"Conv2d_0b_3x3", block.middle[1], 3, 3}}),
                            net.chain(scope + "/Branch_2", x,
                                      {pixel("Conv2d_0a_1x1", block.large[0], kReducing),
                                       {"Conv2d_0b_3x3", block.large[1], 3, 3},
                                       {"Conv2d_0c_3x3", block.large[1], 3, 3}}),
                            block.takes_largest ? max_pooled_branch(net, pool, x, last)
                                                : pooled_branch(net, pool, x, last)});
}

// Half the sides.
Channels add_reduction(SlimBuilder& net, const std::string& scope, Channels x,
                       std::array<int, 2> middle, std::array<int, 2> large) {
  return net.concat(scope, {net.chain(scope + "/Branch_0", x,
                                      {pixel("Conv2d_0a_1x1", middle[0], kReducing),
                                       {"Conv2d_1a_3x3", middle[1], 3, 3, 2}}),
                            net.chain(scope + "/Branch_1", x,
                                      {pixel("Conv2d_0a_1x1", large[0], kReducing),
                                       {"Conv2d_0b_3x3", large[1], 3, 3},
                                       {"Conv2d_1a_3x3", large[1], 3, 3, 2}}),
                            halved_branch(net, scope + "/Branch_2", x, kSame)});
}

}  // namespace

SlimGraph make_inception_v2(const SlimRequest& request) {
  SlimBuilder net(request, kInceptionStyle);
  SlimConv first = {"Conv2d_1a_7x7", 64, 7, 7, 2};
  first.stddev = 1;
  Channels x = net.separable("", net.images(), first, 8);
  x = net.max_pool("MaxPool_2a_3x3", x, 3, 2, kSame);
  x = net.chain("", x, {pixel("Conv2d_2b_1x1", 64, 0.1), {"Conv2d_2c_3x3", 192, 3, 3}});
  x = net.max_pool("MaxPool_3a_3x3", x, 3, 2, kSame);
  x = add_v2_block(net, x, {"Mixed_3b", 64, {64, 64}, {64, 96}, 32});
  x = add_v2_block(net, x, {"Mixed_3c", 64, {64, 96}, {64, 96}, 64});
  x = add_reduction(net, "Mixed_4a", x, {128, 160}, {64, 96});
  x = add_v2_block(net, x, {"Mixed_4b", 224, {64, 96}, {96, 128}, 128});
  x = add_v2_block(net, x, {"Mixed_4c", 192, {96, 128}, {96, 128}, 128});
  x = add_v2_block(net, x, {"Mixed_4d", 160, {128, 160}, {128, 160}, 96});
  x = add_v2_block(net, x, {"Mixed_4e", 96, {128, 192}, {160, 192}, 96});
  x = add_reduction(net, "Mixed_5a", x, {128, 192}, {192, 256});
  x = add_v2_block(net, x, {"Mixed_5b", 352, {192, 320}, {160, 224}, 128});
  x = add_v2_block(net, x, {"Mixed_5c", 352, {192, 320}, {192, 224}, 128, true});
  x = net.global_mean("Logits/AvgPool_1a_7x7", x);
  x = net.dropout("Logits/Dropout_1b", x, kInceptionKeepProb);
  x = net.linear("Logits", x, {"Conv2d_1c_1x1", request.class_count});
  return net.finish({net.squeeze("Logits/SpatialSqueeze", x)});
}

}  // namespace narrow
