#include "graph/slim/resnet_v1.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "graph/graph_builder.h"
#include "graph/slim/slim_builder.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kBottleneckExpansion = 4;
constexpr op::BatchNormalization kBatchNorm = {.epsilon = 1e-5, .momentum = 0.997};

struct StandardNetwork {
  std::string_view name;
  std::array<int, 4> unit_counts;
};

constexpr std::array<StandardNetwork, 4> kStandardNetworks = {{
    {"resnet_v1_50", {3, 4, 6, 3}},
    {"resnet_v1_101", {3, 4, 23, 3}},
    {"resnet_v1_152", {3, 8, 36, 3}},
    {"resnet_v1_200", {3, 24, 36, 3}},
}};

class ResnetBuilder {
 public:
  explicit ResnetBuilder(std::string name) : name_(std::move(name)), builder_(name_) {}

  Graph build(const ResnetV1Shape& shape) {
    const Channels images = {
        builder_.input("images", {Dimension::free("N"), kInputChannels, Dimension::free("height"),
                                  Dimension::free("width")}),
        kInputChannels};
    Channels x = rectified_conv(name_ + "/conv1", images, shape.root_channels, 7, 2);
    x.value = builder_.add(name_ + "/pool1", op::MaxPool{same_window(3, 2)}, {x.value});
    for (std::size_t block = 0; block < shape.blocks.size(); ++block) {
      const ResnetV1Block& plan = shape.blocks[block];
      for (int unit = 1; unit <= plan.unit_count; ++unit) {
        x = add_unit(fmt::format("{}/block{}/unit_{}/bottleneck_v1", name_, block + 1, unit), x,
                     plan.base_channels, unit == plan.unit_count ? plan.last_stride : 1);
      }
    }
    const ValueId features = builder_.add(name_ + "/pool5", op::GlobalAveragePool{}, {x.value});
    const ValueId logits = builder_.conv_with_bias(name_ + "/logits", features, x.count,
                                                   shape.class_count, square_window(1, 1));
    return builder_.finish({builder_.add(name_ + "/SpatialSqueeze", op::Flatten{}, {logits})});
  }

 private:
  Channels conv(const std::string& scope, const Channels& x, int out, int kernel, int stride) {
    const ValueId y = builder_.conv(scope, x.value, x.count, out,
                                    square_window(kernel, stride, (kernel - 1) / 2));
    return {builder_.batch_norm(scope + "/BatchNorm", y, out, kBatchNorm), out};
  }

  Channels rectified_conv(const std::string& scope, const Channels& x, int out, int kernel,
                          int stride) {
    const Channels y = conv(scope, x, out, kernel, stride);
    return {builder_.add(scope + "/Relu", op::Relu{}, {y.value}), out};
  }

  Channels shortcut(const std::string& scope, const Channels& x, int out, int stride) {
    if (out == x.count) {
      if (stride == 1) return x;
      return {builder_.add(scope, op::MaxPool{same_window(1, stride)}, {x.value}), out};
    }
    if (stride == 1) return conv(scope, x, out, 1, 1);
    throw Error(ErrorCategory::kUsage,
                fmt::format("The unit of {} has stride {} and changes the channels from {} to {}; "
                            "a block needs a further unit for one of the two.",
                            scope, stride, x.count, out));
  }

  Channels add_unit(const std::string& scope, const Channels& x, int base, int stride) {
    const int out = base * kBottleneckExpansion;
    const Channels added = shortcut(scope + "/shortcut", x, out, stride);
    Channels y = rectified_conv(scope + "/conv1", x, base, 1, 1);
    y = rectified_conv(scope + "/conv2", y, base, 3, stride);
    y = conv(scope + "/conv3", y, out, 1, 1);
    const ValueId sum = builder_.add(scope + "/add", op::Add{}, {added.value, y.value});
    return {builder_.add(scope + "/Relu", op::Relu{}, {sum}), out};
  }

  std::string name_;
  GraphBuilder builder_;
};

void require_positive(const ResnetV1Shape& shape) {
  bool positive = shape.root_channels > 0 && shape.class_count > 0 && !shape.blocks.empty();
  for (const ResnetV1Block& block : shape.blocks) {
    positive = positive && block.base_channels > 0 && block.unit_count > 0 && block.last_stride > 0;
  }
  if (!positive) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("The network {} needs at least one block, and its channels, numbers of "
                            "units, strides and number of classes must all be positive.",
                            shape.name));
  }
}

}  // namespace

Graph make_resnet_v1(const ResnetV1Shape& shape) {
  require_positive(shape);
  return ResnetBuilder(shape.name).build(shape);
}

Graph resnet_v1(std::string_view name, int class_count) {
  const auto* found = std::ranges::find(kStandardNetworks, name, &StandardNetwork::name);
  if (found == kStandardNetworks.end()) {
    throw Error(ErrorCategory::kUsage, fmt::format("There is no network {}; choose one of {}.",
                                                   name, fmt::join(resnet_v1_names(), ", ")));
  }
  const auto& units = found->unit_counts;
  return make_resnet_v1(
      {std::string(name),
       64,
       {{64, units[0], 2}, {128, units[1], 2}, {256, units[2], 2}, {512, units[3], 1}},
       class_count});
}

std::vector<std::string> resnet_v1_names() {
  std::vector<std::string> names;
  for (const StandardNetwork& network : kStandardNetworks) names.emplace_back(network.name);
  return names;
}

}  // namespace narrow
