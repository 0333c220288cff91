#include "nn/execution/quantized_execution.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "graph/matchers.h"
#include "graph/operators.h"
#include "graph/prune_graph.h"
#include "narrow/error.h"
#include "nn/execution/make_executor.h"
#include "nn/integer/integer_executor.h"
#include "nn/reference/fold_constants.h"

namespace narrow {
namespace {

// Numbers go where codes of them went.
Graph without_quantizers(Graph graph) {
  std::map<ValueId, ValueId> numbers;  // by what a QuantizeLinear makes of them
  std::map<ValueId, ValueId> instead;
  const auto replace = [&](ValueId& id) {
    const auto found = instead.find(id);
    if (found != instead.end()) id = found->second;
  };
  for (Node& node : graph.nodes) {
    std::ranges::for_each(node.inputs, replace);
    if (is_any<op::QLinearConv, op::QLinearMatMul>(node)) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} has operators on codes alone, such as {} {}: it is computed in "
                              "integers only",
                              graph.name, operator_of(node).name, node.name));
    }
    if (std::holds_alternative<op::QuantizeLinear>(node.attributes)) {
      numbers[node.output()] = node.inputs[0];
    } else if (std::holds_alternative<op::DequantizeLinear>(node.attributes)) {
      const auto found = numbers.find(node.inputs[0]);
      if (found != numbers.end()) instead[node.output()] = found->second;
    }
  }
  std::ranges::for_each(graph.outputs, replace);
  remove_unused(graph);
  return graph;
}

}  // namespace

Execution execution_of(const Graph& graph, Execution wanted) {
  if (wanted != Execution::kDefault) return wanted;
  return has_quantized_activations(graph) ? Execution::kInteger : Execution::kFloat;
}

std::unique_ptr<GraphExecutor> make_executor(Graph graph, const ReadWeight& read_weight,
                                             const ExecutorOptions& options, Execution execution) {
  if (execution == Execution::kInteger) {
    return std::make_unique<IntegerExecutor>(graph, read_weight, options);
  }
  if (!has_quantized_activations(graph)) {
    return make_executor(fold_constants(std::move(graph)), read_weight, options);
  }
  if (execution == Execution::kFloat) graph = without_quantizers(std::move(graph));
  return make_executor(fold_constants(std::move(graph), kMostFoldedWeights), read_weight, options);
}

}  // namespace narrow
