#include "nn/reference/reference_network.h"

#include <fmt/format.h>

#include <chrono>
#include <cstddef>

#include "graph/operators.h"
#include "graph/shapes.h"
#include "narrow/error.h"

namespace narrow {
namespace {

class Run {
 public:
  explicit Run(const Graph& graph)
      : graph_(graph), values_(graph.values.size()), uses_left_(graph.values.size(), 0) {
    for (const Node& node : graph.nodes) {
      for (const ValueId id : node.inputs) {
        if (id != kNoValue) ++uses_left_[static_cast<std::size_t>(id)];
      }
    }
    for (const ValueId id : graph.outputs) ++uses_left_[static_cast<std::size_t>(id)];
  }

  ReferenceTensor& at(ValueId id) { return values_[static_cast<std::size_t>(id)]; }

  void take_inputs(const std::vector<ReferenceTensor>& inputs) {
    std::vector<Dimensions> dimensions;
    for (const ReferenceTensor& input : inputs) {
      dimensions.emplace_back(input.shape.begin(), input.shape.end());
    }
    check_inputs(graph_, dimensions);
    for (std::size_t i = 0; i < inputs.size(); ++i) at(graph_.inputs[i]) = inputs[i];
  }

  void run(const Node& node) {
    std::vector<const ReferenceTensor*> read;
    for (const ValueId id : node.inputs) read.push_back(id == kNoValue ? nullptr : &at(id));
    try {
      std::vector<ReferenceTensor> results = run_operator_results(node.attributes, read);
      for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i] != kNoValue) at(node.outputs[i]) = std::move(results.at(i));
      }
    } catch (const Error& error) {
      throw Error(error.category(),
                  fmt::format("{} {} of {}: {}", operator_of(node).name, node.name, graph_.name,
                              error.what()),
                  error.remedy());
    }
  }

  // Frees what nothing reads after this node.
  void drop_inputs(const Node& node) {
    for (const ValueId id : node.inputs) {
      if (id != kNoValue && --uses_left_[static_cast<std::size_t>(id)] == 0) at(id) = {};
    }
  }

  std::vector<ReferenceTensor> take_values() { return std::move(values_); }

 private:
  const Graph& graph_;
  std::vector<ReferenceTensor> values_;
  std::vector<int> uses_left_;  // by ValueId
};

}  // namespace

ReferenceTensor used_weight(const Weight& weight, ReferenceTensor stored) {
  if (weight.layout == WeightLayout::kAsUsed) return stored;
  return {weight.used_shape(), ordered_as_used(weight, stored.values), stored.type};
}

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
  Run run(graph);
  run.take_inputs(inputs);
  for (ValueId id = 0; id < static_cast<ValueId>(graph.values.size()); ++id) {
    if (const Weight* const weight = graph.weight_of(id)) {
      run.at(id) = used_weight(*weight, {weight->shape, weights.at(weight->name)});
    } else if (const Constant* const constant = graph.constant_of(id)) {
      run.at(id) = ReferenceTensor::of(*constant);
      if (run.at(id).is_real()) run.at(id).type = DType::kFloat64;
    }
  }
  for (const Node& node : graph.nodes) run.run(node);
  return run.take_values();
}

std::vector<ReferenceTensor> run_reference(const Graph& graph, const WeightReader& read_weight,
                                           const std::vector<ReferenceTensor>& inputs,
                                           const NodeTimer& timer) {
  Run run(graph);
  run.take_inputs(inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Value& input = graph.value(graph.inputs[i]);
    if (input.type == inputs[i].type) continue;
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the input {} is of type {}, found {}", input.name,
                            to_string(input.type), to_string(inputs[i].type)));
  }
  for (ValueId id = 0; id < static_cast<ValueId>(graph.values.size()); ++id) {
    if (const Weight* const weight = graph.weight_of(id)) {
      run.at(id) = used_weight(*weight, read_weight(*weight));
    } else if (const Constant* const constant = graph.constant_of(id)) {
      run.at(id) = ReferenceTensor::of(*constant);
    }
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    run.run(graph.nodes[i]);
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    if (timer) timer(i, time.count());
    run.drop_inputs(graph.nodes[i]);
  }
  std::vector<ReferenceTensor> outputs;
  for (const ValueId id : graph.outputs) outputs.push_back(run.at(id));
  return outputs;
}

}  // namespace narrow
