// Howard et al., "MobileNets", 2017; Sandler et al., "MobileNetV2: Inverted Residuals and Linear
// Bottlenecks", CVPR 2018. The end of a name is the multiplier of the channels, in percent.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "graph/slim/slim_builder.h"
#include "graph/slim/slim_families.h"

namespace narrow {
namespace {

struct Multiplier {
  std::string_view name;
  double channels;
};
constexpr auto kMultipliers = std::to_array<Multiplier>({{"mobilenet_v1", 1},
                                                         {"mobilenet_v1_075", 0.75},
                                                         {"mobilenet_v1_050", 0.5},
                                                         {"mobilenet_v1_025", 0.25},
                                                         {"mobilenet_v2_140", 1.4},
                                                         {"mobilenet_v2", 1},
                                                         {"mobilenet_v2_075", 0.75},
                                                         {"mobilenet_v2_050", 0.5},
                                                         {"mobilenet_v2_035", 0.35}});

double multiplier_of(const SlimRequest& request) {
  return std::ranges::find(kMultipliers, request.name, &Multiplier::name)->channels;
}

constexpr SlimStyle style(double decay) {
  return {SlimNorm{.decay = decay, .scale = true},
          SlimActivation::kRelu6,
          {InitializerKind::kTruncatedNormal, 0.09}};
}

// A multiple of 8, not less than 0.9 of the number.
int multiple_of_8(double channels) {
  const int rounded = std::max(8, static_cast<int>(channels + 4) / 8 * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

// What is named differently in the two networks before the logits.
struct Ending {
  const char* pool;
  const char* dropout;
  double keep_prob;
};

SlimGraph finish_mobilenet(SlimBuilder& net, Channels x, const Ending& ending, int class_count) {
  x = net.dropout(ending.dropout, net.global_mean(ending.pool, x), ending.keep_prob);
  x = net.linear("Logits", x, {"Conv2d_1c_1x1", class_count});
  return net.finish({net.squeeze("Logits/SpatialSqueeze", x)});
}

// The channels become `inner` (unless there are as many), are filtered one by one and become `out`;
// no activation follows, but the input where it fits.
Channels expanded_conv(SlimBuilder& net, const std::string& scope, Channels x, int inner, int out,
                       int stride) {
  SlimStyle linear = net.style();
  linear.activation = SlimActivation::kNone;
  Channels y = x;
  if (inner > x.count) y = net.conv(scope, x, {"expand", inner});
  y = net.depthwise(scope, y, {"depthwise", 0, 3, 3, stride}, 1);
  y = net.conv(scope, y, {"project", out}, linear);
  return stride == 1 && out == x.count ? net.residual(scope, x, y) : y;
}

}  // namespace

SlimGraph make_mobilenet_v1(const SlimRequest& request) {
  struct Block {
    int stride;
    int channels;
  };
  constexpr auto kBlocks = std::to_array<Block>({{1, 64},
                                                 {2, 128},
                                                 {1, 128},
                                                 {2, 256},
                                                 {1, 256},
                                                 {2, 512},
                                                 {1, 512},
                                                 {1, 512},
                                                 {1, 512},
                                                 {1, 512},
                                                 {1, 512},
                                                 {2, 1024},
                                                 {1, 1024}});
  const double multiplier = multiplier_of(request);
  const auto channels = [&](int n) { return std::max(static_cast<int>(n * multiplier), 8); };
  SlimBuilder net(request, style(0.9997));
  Channels x = net.conv("", net.images(), {"Conv2d_0", channels(32), 3, 3, 2});
  int i = 0;
  for (const Block& block : kBlocks) {
    ++i;
    x = net.depthwise(fmt::format("Conv2d_{}_depthwise", i), x, {"", 0, 3, 3, block.stride}, 1);
    x = net.conv(fmt::format("Conv2d_{}_pointwise", i), x, {"", channels(block.channels)});
  }
  return finish_mobilenet(net, x, {"Logits/AvgPool_1a", "Logits/Dropout_1b", 0.999},
                          request.class_count);
}

SlimGraph make_mobilenet_v2(const SlimRequest& request) {
  struct Blocks {
    int count;
    int channels;
    int stride;  // of the first
  };
  constexpr auto kBlocks = std::to_array<Blocks>(
      {{1, 16, 1}, {2, 24, 2}, {3, 32, 2}, {4, 64, 2}, {3, 96, 1}, {3, 160, 2}, {1, 320, 1}});
  const double multiplier = multiplier_of(request);
  const auto channels = [&](double n) { return multiple_of_8(n * multiplier); };
  SlimBuilder net(request, style(0.997));
  Channels x = net.conv("", net.images(), {"Conv", channels(32), 3, 3, 2});
  int i = 0;
  for (const Blocks& blocks : kBlocks) {
    for (int unit = 0; unit < blocks.count; ++unit, ++i) {
      const std::string scope = i == 0 ? "expanded_conv" : fmt::format("expanded_conv_{}", i);
      const int inner = i == 0 ? x.count : multiple_of_8(6.0 * x.count);
      x = expanded_conv(net, scope, x, inner, channels(blocks.channels),
                        unit == 0 ? blocks.stride : 1);
    }
  }
  // Narrow networks keep the wide last layer ("finegrain_classification_mode").
  x = net.conv("", x, {"Conv_1", channels(multiplier < 1 ? 1280 / multiplier : 1280)});
  return finish_mobilenet(net, x, {"Logits/AvgPool", "Logits/Dropout", 0.8}, request.class_count);
}

}  // namespace narrow
