// What computes a graph whose values between operators may be codes.
#pragma once

#include <memory>

#include "narrow/execution.h"
#include "narrow/integer_arithmetic.h"
#include "nn/executor.h"

namespace narrow {

// What kDefault means for this graph; others stay.
Execution execution_of(const Graph& graph, Execution wanted);

// The executor for an execution that is not kDefault. The graph is as make_executor wants it, but
// that nothing in it has been computed beforehand: what is stored as codes is to stay codes.
// `arithmetic` is of kInteger. Throws Error(kUsage) for kFloat and a graph with operators on codes
// alone and for an arithmetic that contradicts itself, kUnsupported as IntegerExecutor does.
std::unique_ptr<GraphExecutor> make_executor(Graph graph, const ReadWeight& read_weight,
                                             const ExecutorOptions& options, Execution execution,
                                             const IntegerArithmetic& arithmetic = {});

}  // namespace narrow
