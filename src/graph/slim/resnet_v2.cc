// He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016: batch normalization and ReLU
// come before the convolutions of a unit.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "graph/slim/slim_builder.h"
#include "graph/slim/slim_families.h"

namespace narrow {
namespace {

constexpr SlimNorm kNorm = {.epsilon = 1e-5, .decay = 0.997, .scale = true};
constexpr SlimStyle kResnetStyle = {.norm = kNorm, .weights = {InitializerKind::kHe}};

struct Depth {
  std::string_view name;
  std::array<int, 4> units;
};
constexpr auto kDepths = std::to_array<Depth>({{"resnet_v2_50", {3, 4, 6, 3}},
                                               {"resnet_v2_101", {3, 4, 23, 3}},
                                               {"resnet_v2_152", {3, 8, 36, 3}},
                                               {"resnet_v2_200", {3, 24, 36, 3}}});

Channels rectified_norm(SlimBuilder& net, const std::string& scope, Channels x) {
  return net.activate(scope, net.norm(scope, x, kNorm), SlimActivation::kRelu);
}

Channels add_unit(SlimBuilder& net, const std::string& scope, Channels x, int base, int stride) {
  const int out = 4 * base;
  const Channels before = rectified_norm(net, scope + "/preact", x);
  Channels shortcut = x;
  if (out != x.count) {
    shortcut = net.linear(scope, before, {"shortcut", out, 1, 1, stride});
  } else if (stride > 1) {
    shortcut = net.max_pool(scope + "/shortcut", x, 1, stride, kSame);
  }
  Channels y = net.conv(scope, before, {"conv1", base});
  y = net.conv(scope, y, {"conv2", base, 3, 3, stride, kFixedSame});
  y = net.linear(scope, y, {"conv3", out});
  return net.residual(scope, shortcut, y);
}

}  // namespace

SlimGraph make_resnet_v2(const SlimRequest& request) {
  const auto& units = std::ranges::find(kDepths, request.name, &Depth::name)->units;
  SlimBuilder net(request, kResnetStyle);
  Channels x = net.linear("", net.images(), {"conv1", 64, 7, 7, 2, kFixedSame});
  x = net.max_pool("pool1", x, 3, 2, kSame);
  for (int block = 0; block < 4; ++block) {
    const int count = units[static_cast<std::size_t>(block)];
    for (int unit = 1; unit <= count; ++unit) {
      const std::string scope = fmt::format("block{}/unit_{}/bottleneck_v2", block + 1, unit);
      x = add_unit(net, scope, x, 64 << block, unit == count && block < 3 ? 2 : 1);
    }
  }
  x = net.global_mean("pool5", rectified_norm(net, "postnorm", x));
  return net.finish(
      {net.squeeze("SpatialSqueeze", net.linear("", x, {"logits", request.class_count}))});
}

}  // namespace narrow
