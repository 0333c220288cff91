// The network that a checkpoint holds, from its file to what computes it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "model/checkpoint_network.h"
#include "narrow/run_network.h"
#include "nn/executor.h"

namespace narrow {

// Made for the sizes of some arrays.
class PreparedNetwork {
 public:
  // The arrays that it was prepared for, or others of the same shapes.
  [[nodiscard]] GraphArrays run(std::span<const GraphArray> given, StepTimes* times) const;

  std::unique_ptr<GraphExecutor> executor;
  Batching batching = Batching::kWhole;
  bool is_freed = false;            // a first dimension of 1 became free
  std::vector<DType> output_types;  // that the graph declares
  int threads = 0;
  Execution execution = Execution::kFloat;  // not kDefault
};

class RunnableNetwork {
 public:
  // `nodes`: patterns of further values, which become outputs behind the network's own. The reader
  // must outlive this. Throws as run_network does.
  RunnableNetwork(const CheckpointReader& reader, const std::string& model_name,
                  std::span<const std::string> nodes);

  // Throws Error(kUsage) for a network in floating point when the options ask for integers.
  void require_integers(const RunNetworkOptions& options) const;

  // As the file has it.
  [[nodiscard]] const Graph& graph() const { return graph_; }
  // How many of the outputs are the network's own.
  [[nodiscard]] std::size_t own_outputs() const { return own_outputs_; }
  [[nodiscard]] bool has_halves() const { return has_halves_; }

  // In the order of the graph's inputs and of types that they declare. Throws as run_network does.
  [[nodiscard]] GraphArrays ordered(std::span<const NamedArray> arrays) const;
  // Whether every example along the first axis of these, in the order of the graph's inputs, may go
  // through the network by itself.
  [[nodiscard]] bool takes_examples_apart(std::span<const GraphArray> inputs) const;
  // Weights in the types that the graph has for them.
  [[nodiscard]] ReadWeight weight_reader() const;
  [[nodiscard]] PreparedNetwork prepare(std::span<const GraphArray> inputs, int threads,
                                        Execution execution = Execution::kDefault,
                                        const IntegerArithmetic& arithmetic = {}) const;

 private:
  void watch(const std::string& pattern);
  void check_shapes(std::span<const GraphArray> inputs) const;
  // About the first dimensions of the inputs: of each, of any.
  [[nodiscard]] bool all_start_with_one_or_free() const;
  [[nodiscard]] bool is_made_for_one() const;
  // That the graph declares.
  [[nodiscard]] std::vector<DType> output_types(std::span<const GraphArray> inputs) const;
  [[nodiscard]] std::unique_ptr<GraphExecutor> make(Graph graph, ExecutorOptions options,
                                                    Execution execution,
                                                    const IntegerArithmetic& arithmetic) const;

  const CheckpointReader& reader_;
  CheckpointVariables variables_;
  Graph graph_;
  std::size_t own_outputs_ = 0;
  bool has_halves_ = false;
};

}  // namespace narrow
