// What computes a graph whose values between operators may be codes.
#pragma once

#include <memory>

#include "narrow/execution.h"
#include "nn/executor.h"

namespace narrow {

// What kDefault means for this graph; others stay.
Execution execution_of(const Graph& graph, Execution wanted);

// The executor for an execution that is not kDefault. The graph is as make_executor wants it, but
// that nothing in it has been computed beforehand: what is stored as codes is to stay codes.
// Throws Error(kUsage) for kFloat and a graph with operators on codes alone, kUnsupported as
// IntegerExecutor does.
std::unique_ptr<GraphExecutor> make_executor(Graph graph, const ReadWeight& read_weight,
                                             const ExecutorOptions& options, Execution execution);

}  // namespace narrow
