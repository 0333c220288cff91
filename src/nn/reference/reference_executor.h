// The reference operators behind the interface of what computes graphs.
#pragma once

#include "nn/executor.h"

namespace narrow {

// Takes groups of a few examples on all threads at once where examples are independent. Holds no
// weights: every group reads them.
class ReferenceExecutor : public GraphExecutor {
 public:
  ReferenceExecutor(Graph graph, ReadWeight read_weight, const ExecutorOptions& options)
      : graph_(std::move(graph)), read_weight_(std::move(read_weight)), options_(options) {}

  [[nodiscard]] GraphArrays run(std::span<const GraphArray> inputs,
                                StepTimes* times) const override;

 private:
  // `seconds` of each node are added to, when it is not null.
  GraphArrays run_group(std::span<const GraphArray> inputs, std::vector<double>* seconds) const;

  Graph graph_;
  ReadWeight read_weight_;
  ExecutorOptions options_;
};

}  // namespace narrow
