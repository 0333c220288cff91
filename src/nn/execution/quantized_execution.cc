#include "nn/execution/quantized_execution.h"

#include <fmt/format.h>

#include "graph/drop_quantizers.h"
#include "graph/matchers.h"
#include "graph/operators.h"
#include "narrow/error.h"
#include "nn/execution/make_executor.h"
#include "nn/integer/integer_executor.h"
#include "nn/reference/fold_constants.h"

namespace narrow {
namespace {

void require_no_operators_on_codes(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (!is_any<op::QLinearConv, op::QLinearMatMul>(node)) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} has operators on codes alone, such as {} {}: it is computed in "
                            "integers only",
                            graph.name, operator_of(node).name, node.name));
  }
}

}  // namespace

Execution execution_of(const Graph& graph, Execution wanted) {
  if (wanted != Execution::kDefault) return wanted;
  return has_quantized_activations(graph) ? Execution::kInteger : Execution::kFloat;
}

std::unique_ptr<GraphExecutor> make_executor(Graph graph, const ReadWeight& read_weight,
                                             const ExecutorOptions& options, Execution execution,
                                             const IntegerArithmetic& arithmetic) {
  if (execution == Execution::kInteger) {
    check(arithmetic);
    return std::make_unique<IntegerExecutor>(graph, read_weight, options, arithmetic);
  }
  if (!has_quantized_activations(graph)) {
    return make_executor(fold_constants(std::move(graph)), read_weight, options);
  }
  if (execution == Execution::kFloat) {
    require_no_operators_on_codes(graph);
    graph = drop_quantizers(graph);
  }
  return make_executor(fold_constants(std::move(graph), kMostFoldedWeights), read_weight, options);
}

}  // namespace narrow
