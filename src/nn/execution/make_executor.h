// Chooses what computes a graph.
#pragma once

#include <memory>

#include "nn/executor.h"

namespace narrow {

// The graph has known sizes, but for the first of every input where examples are independent.
std::unique_ptr<GraphExecutor> make_executor(Graph graph, ReadWeight read_weight,
                                             const ExecutorOptions& options);

}  // namespace narrow
