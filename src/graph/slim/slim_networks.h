// TF-Slim's networks by the names of nets_factory.py, and of mobilenet_v2.py for two widths that
// the factory leaves out.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/slim/slim_families.h"
#include "graph/slim/slim_graph.h"

namespace narrow {

// Height and width of images where nothing says another.
constexpr int kUsualImageSize = 224;

struct SlimNetwork {
  std::string_view name;             // Slim's model_name: "inception_v3"
  std::string_view scope;            // of its variables: "InceptionV3"
  int image_size = kUsualImageSize;  // Slim's default_image_size
  SlimGraph (*make)(const SlimRequest& request) = nullptr;
};

// Those of one family side by side, wide ones first.
std::span<const SlimNetwork> slim_networks();
std::vector<std::string> slim_network_names();

// Null when there is none of that name.
const SlimNetwork* find_slim_network(std::string_view name);
// The same, but for ResNet V1, which has executors, methods and training of its own.
const SlimNetwork* find_other_slim_network(std::string_view name);

// What it was made for; of null kUsualImageSize.
int usual_image_size(const SlimNetwork* network);

// As its evaluation computes it: from [N, 3, height, width] to [N, classes]. With `training` there
// are also Dropout and, as a second output, the head that helps in training only; the variables are
// then all that Slim's checkpoints have.
// Throws Error(kUsage) for another name, listing all of them, and when class_count < 1.
SlimGraph slim_network(std::string_view name, int class_count, bool training);

// Of a ResNet V1, any variant: resnet_v1.py's arg_scope. Kernels begin as kHe says and have an L2
// term; everything else is constant, gammas and variances 1.
SlimGraph with_resnet_v1_scope(Graph graph);

}  // namespace narrow
