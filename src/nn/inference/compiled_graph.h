// Any graph as a program for inputs of one size.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "nn/executor.h"

namespace narrow {

// A step of the program.
struct CompiledStep {
  std::string operators;      // of the nodes that it computes: "Conv+Relu"
  std::string node;           // the name of the first of them
  bool is_reference = false;  // it runs the reference operator
};

// Values go in and come out row-major, in the types and the order of the graph's inputs and
// outputs. Everything is computed on the calling thread; float32 by oneDNN and loops of our own
// where there are some, everything else by the reference operators.
//
// All member functions are const and may be called from several threads at once: each call has
// memory of its own, worker_bytes() of it, which is kept for the next one.
class CompiledGraph {
 public:
  // Shapes of the inputs, in the graph's order. Weights are read once, in their own types, as the
  // checkpoint has them.
  // Throws Error(kUnsupported) naming an input or a node that does not fit; what `read_weight`
  // throws.
  CompiledGraph(const Graph& graph, const ReadWeight& read_weight,
                const std::vector<Shape>& inputs);
  ~CompiledGraph();
  CompiledGraph(CompiledGraph&& other) noexcept;
  CompiledGraph& operator=(CompiledGraph&& other) noexcept;

  [[nodiscard]] std::size_t weight_bytes() const;
  [[nodiscard]] std::size_t worker_bytes() const;
  [[nodiscard]] const std::vector<CompiledStep>& steps() const;

  // Adds the time of each of steps() to `seconds`, which has one element for each, unless that is
  // null. Throws Error(kUsage) when the inputs are not of the types and shapes that it was made
  // for; Error(kUnsupported) naming a node whose inputs have values that do not fit.
  [[nodiscard]] std::vector<Constant> run(std::span<const Constant> inputs,
                                          std::vector<double>* seconds = nullptr) const;

  // Any number of examples along axis 0 of every input, which the program has as many of as a
  // worker takes at once; a last part that is shorter is filled with zeros. Only for graphs that
  // axis 0 passes through untouched. Results do not depend on the number of threads, on the other
  // examples, or on how calls split them.
  // Throws as run() does.
  [[nodiscard]] std::vector<Constant> run_examples(std::span<const Constant> inputs, int threads,
                                                   std::vector<double>* seconds = nullptr) const;
  // The same of arrays that lie anywhere.
  [[nodiscard]] std::vector<Constant> run_examples(std::span<const Constant* const> inputs,
                                                   int threads,
                                                   std::vector<double>* seconds = nullptr) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace narrow
