#include "nn/execution/make_executor.h"

#include "nn/execution/compiled_executor.h"

namespace narrow {

std::unique_ptr<GraphExecutor> make_executor(Graph graph, ReadWeight read_weight,
                                             const ExecutorOptions& options) {
  return std::make_unique<CompiledExecutor>(std::move(graph), std::move(read_weight), options);
}

}  // namespace narrow
