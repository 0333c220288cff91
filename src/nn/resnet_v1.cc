#include "nn/resnet_v1.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kBottleneckExpansion = 4;
constexpr int kImageDepth = 3;

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

BottleneckUnit make_unit(std::string name, int in_depth, int base_depth, int stride) {
  BottleneckUnit unit;
  unit.name = std::move(name);
  unit.in_depth = in_depth;
  unit.out_depth = base_depth * kBottleneckExpansion;
  unit.stride = stride;
  if (unit.out_depth != in_depth) {
    if (stride != 1) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("The unit {} has stride {} and changes the depth from {} to {}; a "
                              "block needs a further unit for one of the two.",
                              unit.name, stride, in_depth, unit.out_depth));
    }
    unit.shortcut = ConvLayer{unit.name + "/shortcut", 1, in_depth, unit.out_depth, 1, false};
  }
  unit.conv1 = ConvLayer{unit.name + "/conv1", 1, in_depth, base_depth, 1, true};
  unit.conv2 = ConvLayer{unit.name + "/conv2", 3, base_depth, base_depth, stride, true};
  unit.conv3 = ConvLayer{unit.name + "/conv3", 1, base_depth, unit.out_depth, 1, false};
  return unit;
}

void require_positive(const ResnetV1Shape& shape) {
  bool positive = shape.root_depth > 0 && shape.class_count > 0 && !shape.blocks.empty();
  for (const ResnetV1Block& block : shape.blocks) {
    positive = positive && block.base_depth > 0 && block.unit_count > 0 && block.last_stride > 0;
  }
  if (!positive) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("The network {} needs at least one block, and its depths, numbers of "
                            "units, strides and number of classes must all be positive.",
                            shape.name));
  }
}

}  // namespace

bool is_trainable(VariableKind kind) noexcept {
  return kind != VariableKind::kMovingMean && kind != VariableKind::kMovingVariance;
}

bool is_regularized(VariableKind kind) noexcept {
  return kind == VariableKind::kConvWeights || kind == VariableKind::kLogitsWeights;
}

std::vector<const ConvLayer*> ResnetV1::conv_layers() const {
  std::vector<const ConvLayer*> layers = {&conv1};
  for (const BottleneckUnit& unit : units) {
    if (unit.shortcut) layers.push_back(&*unit.shortcut);
    layers.insert(layers.end(), {&unit.conv1, &unit.conv2, &unit.conv3});
  }
  return layers;
}

std::vector<ModelVariable> ResnetV1::variables() const {
  std::vector<ModelVariable> all;
  for (const ConvLayer* layer : conv_layers()) {
    const Shape per_channel = {layer->out_depth};
    all.push_back({layer->weights_name(), layer->weights_shape(), VariableKind::kConvWeights});
    all.push_back({layer->gamma_name(), per_channel, VariableKind::kGamma});
    all.push_back({layer->beta_name(), per_channel, VariableKind::kBeta});
    all.push_back({layer->moving_mean_name(), per_channel, VariableKind::kMovingMean});
    all.push_back({layer->moving_variance_name(), per_channel, VariableKind::kMovingVariance});
  }
  all.push_back({logits_name() + "/weights",
                 {1, 1, feature_depth, class_count},
                 VariableKind::kLogitsWeights});
  all.push_back({logits_name() + "/biases", {class_count}, VariableKind::kLogitsBiases});
  return all;
}

ResnetV1 make_resnet_v1(const ResnetV1Shape& shape) {
  require_positive(shape);
  ResnetV1 network;
  network.name = shape.name;
  network.class_count = shape.class_count;
  network.conv1 = ConvLayer{shape.name + "/conv1", 7, kImageDepth, shape.root_depth, 2, true};
  int depth = shape.root_depth;
  for (std::size_t block = 0; block < shape.blocks.size(); ++block) {
    const ResnetV1Block& plan = shape.blocks[block];
    for (int unit = 1; unit <= plan.unit_count; ++unit) {
      network.units.push_back(
          make_unit(fmt::format("{}/block{}/unit_{}/bottleneck_v1", shape.name, block + 1, unit),
                    depth, plan.base_depth, unit == plan.unit_count ? plan.last_stride : 1));
      depth = network.units.back().out_depth;
    }
  }
  network.feature_depth = depth;
  return network;
}

ResnetV1 resnet_v1(std::string_view name, int class_count) {
  const auto* found = std::find_if(kStandardNetworks.begin(), kStandardNetworks.end(),
                                   [&](const StandardNetwork& n) { return n.name == name; });
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
