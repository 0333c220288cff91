#include "graph/slim/slim_networks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "graph/slim/resnet_v1.h"
#include "narrow/error.h"

namespace narrow {
namespace {

SlimGraph make_v1(const SlimRequest& request) {
  return with_resnet_v1_scope(resnet_v1(request.name, request.class_count));
}

constexpr auto kNetworks = std::to_array<SlimNetwork>({
    {"resnet_v1_50", "resnet_v1_50", 224, make_v1},
    {"resnet_v1_101", "resnet_v1_101", 224, make_v1},
    {"resnet_v1_152", "resnet_v1_152", 224, make_v1},
    {"resnet_v1_200", "resnet_v1_200", 224, make_v1},
    {"resnet_v2_50", "resnet_v2_50", 224, make_resnet_v2},
    {"resnet_v2_101", "resnet_v2_101", 224, make_resnet_v2},
    {"resnet_v2_152", "resnet_v2_152", 224, make_resnet_v2},
    {"resnet_v2_200", "resnet_v2_200", 224, make_resnet_v2},
    {"vgg_a", "vgg_a", 224, make_vgg},
    {"vgg_16", "vgg_16", 224, make_vgg},
    {"vgg_19", "vgg_19", 224, make_vgg},
    {"overfeat", "overfeat", 231, make_overfeat},
    {"alexnet_v2", "alexnet_v2", 224, make_alexnet_v2},
    {"inception_v1", "InceptionV1", 224, make_inception_v1},
    {"inception_v2", "InceptionV2", 224, make_inception_v2},
    {"inception_v3", "InceptionV3", 299, make_inception_v3},
    {"inception_v4", "InceptionV4", 299, make_inception_v4},
    {"inception_resnet_v2", "InceptionResnetV2", 299, make_inception_resnet_v2},
    {"mobilenet_v1", "MobilenetV1", 224, make_mobilenet_v1},
    {"mobilenet_v1_075", "MobilenetV1", 224, make_mobilenet_v1},
    {"mobilenet_v1_050", "MobilenetV1", 224, make_mobilenet_v1},
    {"mobilenet_v1_025", "MobilenetV1", 224, make_mobilenet_v1},
    {"mobilenet_v2_140", "MobilenetV2", 224, make_mobilenet_v2},
    {"mobilenet_v2", "MobilenetV2", 224, make_mobilenet_v2},
    {"mobilenet_v2_075", "MobilenetV2", 224, make_mobilenet_v2},
    {"mobilenet_v2_050", "MobilenetV2", 224, make_mobilenet_v2},
    {"mobilenet_v2_035", "MobilenetV2", 224, make_mobilenet_v2},
    {"cifarnet", "CifarNet", 32, make_cifarnet},
    {"lenet", "LeNet", 28, make_lenet},
});

}  // namespace

std::span<const SlimNetwork> slim_networks() { return kNetworks; }

std::vector<std::string> slim_network_names() {
  std::vector<std::string> names;
  for (const SlimNetwork& network : kNetworks) names.emplace_back(network.name);
  return names;
}

const SlimNetwork* find_slim_network(std::string_view name) {
  const auto* found = std::ranges::find(kNetworks, name, &SlimNetwork::name);
  return found == kNetworks.end() ? nullptr : found;
}

const SlimNetwork* find_other_slim_network(std::string_view name) {
  const SlimNetwork* const found = find_slim_network(name);
  return found == nullptr || found->make == make_v1 ? nullptr : found;
}

int usual_image_size(const SlimNetwork* network) {
  return network == nullptr ? kUsualImageSize : network->image_size;
}

SlimGraph with_resnet_v1_scope(Graph graph) {
  SlimGraph network{std::move(graph), {}, {}};
  for (const Weight& weight : network.graph.weights) {
    const bool is_kernel = weight.role == WeightRole::kKernel;
    const bool is_one =
        weight.role == WeightRole::kGamma || weight.role == WeightRole::kMovingVariance;
    network.initializers.push_back(is_kernel
                                       ? Initializer{InitializerKind::kHe}
                                       : Initializer{InitializerKind::kConstant, is_one ? 1.0 : 0});
    network.regularized.push_back(is_kernel);
  }
  return network;
}

SlimGraph slim_network(std::string_view name, int class_count, bool training) {
  const SlimNetwork* const network = find_slim_network(name);
  if (network == nullptr) {
    throw Error(ErrorCategory::kUsage, fmt::format("There is no network {}; choose one of {}.",
                                                   name, fmt::join(slim_network_names(), ", ")));
  }
  if (class_count < 1) {
    throw Error(ErrorCategory::kUsage, fmt::format("The network {} has {} classes; there must be "
                                                   "at least one.",
                                                   name, class_count));
  }
  return network->make({network->name, network->scope, class_count, training});
}

}  // namespace narrow
