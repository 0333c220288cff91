#include "graph/graph_builder.h"

#include <utility>

namespace narrow {

GraphBuilder::GraphBuilder(std::string name) { graph_.name = std::move(name); }

ValueId GraphBuilder::new_value(Value value) {
  graph_.values.push_back(std::move(value));
  return static_cast<ValueId>(graph_.values.size()) - 1;
}

ValueId GraphBuilder::input(std::string name, Dimensions dimensions, DType type) {
  graph_.inputs.push_back(new_value({std::move(name), -1, std::move(dimensions), -1, type}));
  return graph_.inputs.back();
}

ValueId GraphBuilder::weight(Weight weight) {
  const ValueId id = new_value({weight.name, static_cast<int>(graph_.weights.size()), {}});
  graph_.weights.push_back(std::move(weight));
  return id;
}

ValueId GraphBuilder::constant(std::string name, Constant constant) {
  const auto index = static_cast<int>(graph_.constants.size());
  graph_.constants.push_back(std::move(constant));
  return new_value({std::move(name), -1, {}, index});
}

ValueId GraphBuilder::channel_weight(std::string name, int channels, WeightRole role) {
  return weight({std::move(name), {channels}, WeightLayout::kAsUsed, role});
}

std::vector<ValueId> GraphBuilder::add_node(std::string name, Attributes attributes,
                                            std::vector<ValueId> inputs, std::size_t output_count) {
  std::vector<ValueId> results;
  for (std::size_t i = 0; i < output_count; ++i) {
    results.push_back(new_value({i == 0 ? name : name + ":" + std::to_string(i), -1, {}}));
  }
  graph_.nodes.push_back({std::move(name), std::move(attributes), std::move(inputs), results});
  return results;
}

ValueId GraphBuilder::add(std::string name, Attributes attributes, std::vector<ValueId> inputs) {
  return add_node(std::move(name), std::move(attributes), std::move(inputs), 1)[0];
}

ValueId GraphBuilder::kernel(const std::string& scope, int in_channels, int out_channels,
                             const Window& window) {
  return weight({scope + "/weights",
                 {window.kernel.at(0), window.kernel.at(1), in_channels, out_channels},
                 WeightLayout::kHwio,
                 WeightRole::kKernel});
}

ValueId GraphBuilder::conv(const std::string& scope, ValueId x, int in_channels, int out_channels,
                           const Window& window) {
  const ValueId weights = kernel(scope, in_channels, out_channels, window);
  return add(scope, op::Conv{window}, {x, weights});
}

ValueId GraphBuilder::conv_with_bias(const std::string& scope, ValueId x, int in_channels,
                                     int out_channels, const Window& window) {
  const ValueId weights = kernel(scope, in_channels, out_channels, window);
  const ValueId biases = channel_weight(scope + "/biases", out_channels, WeightRole::kBias);
  return add(scope, op::Conv{window}, {x, weights, biases});
}

ValueId GraphBuilder::batch_norm(const std::string& scope, ValueId x, int channels,
                                 const op::BatchNormalization& attributes) {
  const ValueId gamma = channel_weight(scope + "/gamma", channels, WeightRole::kGamma);
  const ValueId beta = channel_weight(scope + "/beta", channels, WeightRole::kBeta);
  const ValueId mean = channel_weight(scope + "/moving_mean", channels, WeightRole::kMovingMean);
  const ValueId variance =
      channel_weight(scope + "/moving_variance", channels, WeightRole::kMovingVariance);
  return add(scope, attributes, {x, gamma, beta, mean, variance});
}

Graph GraphBuilder::finish(std::vector<ValueId> outputs) {
  graph_.outputs = std::move(outputs);
  check(graph_);
  return std::move(graph_);
}

}  // namespace narrow
