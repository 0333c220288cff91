#include "nn/reference/reference_network.h"

#include <cstddef>

#include "graph/shapes.h"

namespace narrow {
namespace {

// As the operator has it.
ReferenceTensor used_weight(const Weight& weight, const std::vector<double>& stored) {
  if (weight.layout == WeightLayout::kAsUsed) return {weight.shape, stored};
  ReferenceTensor used = ReferenceTensor::zeros(weight.used_shape());
  const auto in = static_cast<std::size_t>(weight.shape[2]);
  const auto out = static_cast<std::size_t>(weight.shape[3]);
  const std::size_t taps = stored.size() / (in * out);
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const std::size_t tap = i / (in * out);
    used.values[(i % out * in + i / out % in) * taps + tap] = stored[i];
  }
  return used;
}

}  // namespace

ReferenceWeights reference_weights(const Graph& graph, const WeightSource& source) {
  ReferenceWeights weights;
  for (const Weight& weight : graph.weights) {
    std::vector<float> values(static_cast<std::size_t>(element_count(weight.shape)));
    source.read(weight.name, values);
    weights[weight.name].assign(values.begin(), values.end());
  }
  return weights;
}

std::vector<ReferenceTensor> run_reference(const Graph& graph, const ReferenceWeights& weights,
                                           const std::vector<ReferenceTensor>& inputs) {
  std::vector<Dimensions> dimensions;
  for (const ReferenceTensor& input : inputs) {
    dimensions.emplace_back(input.shape.begin(), input.shape.end());
  }
  infer_shapes(graph, dimensions);
  std::vector<ReferenceTensor> values(graph.values.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    values[static_cast<std::size_t>(graph.inputs[i])] = inputs[i];
  }
  for (std::size_t id = 0; id < values.size(); ++id) {
    const Weight* const weight = graph.weight_of(static_cast<ValueId>(id));
    if (weight != nullptr) values[id] = used_weight(*weight, weights.at(weight->name));
  }
  for (const Node& node : graph.nodes) {
    std::vector<const ReferenceTensor*> read;
    for (const ValueId id : node.inputs) {
      read.push_back(id == kNoValue ? nullptr : &values[static_cast<std::size_t>(id)]);
    }
    values[static_cast<std::size_t>(node.output)] = run_operator(node.attributes, read);
  }
  return values;
}

}  // namespace narrow
