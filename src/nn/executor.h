// What computes a graph, whatever it does it with.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace narrow {

// Of an input or output: as the graph's small arrays are.
using GraphArray = Constant;
using GraphArrays = std::vector<GraphArray>;

// Gives the values of a weight as the checkpoint stores them, in the graph's type for it. Called by
// several threads at once.
using ReadWeight = std::function<GraphArray(const Weight&)>;

struct ExecutorOptions {
  int threads = 0;  // 0: all available cores
  // The entries of axis 0 go through the graph each by itself (graph/rules/batch_axis.h): they may
  // be computed in groups of any size.
  bool independent_examples = false;
};

// Time that one step of the work took, added up over all groups of examples and threads.
struct StepTime {
  std::string op;    // "Conv", or several that became one: "Conv+Relu"
  std::string name;  // of the node
  double seconds = 0;
};
using StepTimes = std::vector<StepTime>;

class GraphExecutor {
 public:
  virtual ~GraphExecutor() = default;
  // The outputs of the graph from its inputs, both in the graph's order. Adds the time of each step
  // to `times` unless that is null. What comes out does not depend on threads or groups.
  // Throws Error(kUnsupported) naming the input or node that does not fit; what reading a weight
  // throws.
  [[nodiscard]] virtual GraphArrays run(std::span<const GraphArray> inputs,
                                        StepTimes* times) const = 0;
};

}  // namespace narrow
