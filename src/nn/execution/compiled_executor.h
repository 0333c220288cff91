// Programs of a graph behind the interface of what computes graphs.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "nn/executor.h"
#include "nn/inference/compiled_graph.h"

namespace narrow {

// Compiles the graph for each size of inputs when it first comes. Independent examples go through
// one by one, on all threads, so that what comes out does not depend on how many there are. Sizes
// for which there is no program, because they depend on values, go to the reference operators.
class CompiledExecutor : public GraphExecutor {
 public:
  CompiledExecutor(Graph graph, ReadWeight read_weight, const ExecutorOptions& options)
      : graph_(std::move(graph)), read_weight_(std::move(read_weight)), options_(options) {}

  [[nodiscard]] GraphArrays run(std::span<const GraphArray> inputs,
                                StepTimes* times) const override;

 private:
  // Null where there is none.
  std::shared_ptr<const CompiledGraph> program_for(const std::vector<Shape>& shapes) const;

  Graph graph_;
  ReadWeight read_weight_;
  ExecutorOptions options_;
  mutable std::mutex mutex_;
  mutable std::map<std::vector<Shape>, std::shared_ptr<const CompiledGraph>> programs_;
};

}  // namespace narrow
