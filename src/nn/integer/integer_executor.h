// A graph with quantized values, computed in integers: the same codes on every CPU.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "nn/executor.h"
#include "nn/integer/integer_linear.h"
#include "nn/integer/quantized_steps.h"

namespace narrow {

// The sums of a linear layer.
struct AccumulatorUse {
  std::string node;
  SumBounds bounds;  // of all inputs that the codes allow
};

// docs/integers.md says which operators are computed in integers, and how; the others are computed
// as their operator pages say, in double with results in float32.
class IntegerExecutor : public GraphExecutor {
 public:
  // Weights are read at once. Throws Error(kUnsupported) naming a node whose sums are too large or
  // whose scales the arithmetic cannot take, what infer_facts and reading the weights throw.
  IntegerExecutor(const Graph& graph, const ReadWeight& read_weight, const ExecutorOptions& options,
                  const IntegerArithmetic& arithmetic = {});
  ~IntegerExecutor() override;

  [[nodiscard]] GraphArrays run(std::span<const GraphArray> inputs,
                                StepTimes* times) const override;

  // What a step computes: codes with their zero point, or numbers; and the exact sums of a linear
  // one. Both are row-major.
  struct TracedStep {
    const QuantizedStep& step;
    const ReferenceTensor& values;
    const ReferenceTensor* sums = nullptr;
  };
  // Runs once with all examples together and shows every step, in the order of execution. Throws
  // what run throws.
  void trace(std::span<const GraphArray> inputs,
             const std::function<void(const TracedStep&)>& see) const;

  // Operators on codes are expanded in its graph (expand_quantized.h).
  [[nodiscard]] const QuantizedGraph& quantized() const;
  [[nodiscard]] const std::vector<AccumulatorUse>& accumulators() const;

 private:
  struct Program;
  std::unique_ptr<Program> program_;
};

// Whether some value between operators is codes: the graph, or one in its nodes, has activations in
// few bits.
bool has_quantized_activations(const Graph& graph);

}  // namespace narrow
