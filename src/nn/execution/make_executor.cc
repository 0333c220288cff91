#include "nn/execution/make_executor.h"

#include "nn/reference/reference_executor.h"

namespace narrow {

std::unique_ptr<GraphExecutor> make_executor(Graph graph, ReadWeight read_weight,
                                             const ExecutorOptions& options) {
  return std::make_unique<ReferenceExecutor>(std::move(graph), std::move(read_weight), options);
}

}  // namespace narrow
