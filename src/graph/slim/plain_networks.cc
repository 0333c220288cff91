// Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
// 2014; Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014;
// Sermanet et al., "OverFeat", 2013.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "graph/slim/slim_builder.h"
#include "graph/slim/slim_families.h"

namespace narrow {
namespace {

constexpr SlimStyle kPlainStyle = {};
constexpr double kFullStddev = 0.005;  // of the layers that stand for fully connected ones

struct Vgg {
  std::string_view name;
  std::array<int, 5> convs;  // of each block
};
constexpr auto kVggs = std::to_array<Vgg>(
    {{"vgg_a", {1, 1, 2, 2, 2}}, {"vgg_16", {2, 2, 3, 3, 3}}, {"vgg_19", {2, 2, 4, 4, 4}}});

SlimGraph finish_vgg(SlimBuilder& net, Channels x, int class_count, double stddev) {
  SlimConv last = {"fc8", class_count};
  last.stddev = stddev;
  return net.finish({net.squeeze("fc8/squeezed", net.linear("", x, last))});
}

constexpr double kPlainKeepProb = 0.5;

// fc6 and fc7 of AlexNet and OverFeat, whose biases start with 0.1.
Channels full_layers(SlimBuilder& net, Channels x, const SlimConv& fc6) {
  SlimStyle style = kPlainStyle;
  style.weights = {InitializerKind::kTruncatedNormal, kFullStddev};
  style.biases = 0.1F;
  x = net.dropout("dropout6", net.conv("", x, fc6, style), kPlainKeepProb);
  return net.dropout("dropout7", net.conv("", x, {"fc7", 4096}, style), kPlainKeepProb);
}

}  // namespace

SlimGraph make_vgg(const SlimRequest& request) {
  constexpr std::array<int, 5> kChannels = {64, 128, 256, 512, 512};
  const Vgg& vgg = *std::ranges::find(kVggs, request.name, &Vgg::name);
  SlimBuilder net(request, kPlainStyle);
  Channels x = net.images();
  for (std::size_t block = 0; block < kChannels.size(); ++block) {
    for (int i = 1; i <= vgg.convs[block]; ++i) {
      const std::string scope = fmt::format("conv{0}/conv{0}_{1}", block + 1, i);
      x = net.conv(scope, x, {"", kChannels[block], 3, 3});
    }
    x = net.max_pool(fmt::format("pool{}", block + 1), x, 2, 2, kValid);
  }
  x = net.dropout("dropout6", net.conv("", x, {"fc6", 4096, 7, 7, 1, kValid}), kPlainKeepProb);
  x = net.dropout("dropout7", net.conv("", x, {"fc7", 4096}), kPlainKeepProb);
  return finish_vgg(net, x, request.class_count, 0);
}

SlimGraph make_alexnet_v2(const SlimRequest& request) {
  SlimStyle style = kPlainStyle;
  style.biases = 0.1F;
  SlimBuilder net(request, style);
  Channels x = net.conv("", net.images(), {"conv1", 64, 11, 11, 4, kValid});
  x = net.conv("", net.max_pool("pool1", x, 3, 2, kValid), {"conv2", 192, 5, 5});
  x = net.chain("", net.max_pool("pool2", x, 3, 2, kValid),
                {{"conv3", 384, 3, 3}, {"conv4", 384, 3, 3}, {"conv5", 256, 3, 3}});
  x = full_layers(net, net.max_pool("pool5", x, 3, 2, kValid), {"fc6", 4096, 5, 5, 1, kValid});
  return finish_vgg(net, x, request.class_count, kFullStddev);
}

SlimGraph make_overfeat(const SlimRequest& request) {
  SlimBuilder net(request, kPlainStyle);
  Channels x = net.conv("", net.images(), {"conv1", 64, 11, 11, 4, kValid});
  x = net.conv("", net.max_pool("pool1", x, 2, 2, kValid), {"conv2", 256, 5, 5, 1, kValid});
  x = net.chain("", net.max_pool("pool2", x, 2, 2, kValid),
                {{"conv3", 512, 3, 3}, {"conv4", 1024, 3, 3}, {"conv5", 1024, 3, 3}});
  x = full_layers(net, net.max_pool("pool5", x, 2, 2, kValid), {"fc6", 3072, 6, 6, 1, kValid});
  return finish_vgg(net, x, request.class_count, kFullStddev);
}

}  // namespace narrow
