// From any graph to a program. Internal to this folder.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "nn/executor.h"
#include "nn/inference/inference_program.h"

namespace narrow {

// The program for inputs of these shapes. What does not depend on them is computed now; nodes for
// which there is nothing fast run their reference operators.
// Throws Error(kUnsupported) naming an input or a node that does not fit, and what reading a weight
// throws.
InferenceProgram compile_graph(const Graph& graph, const ReadWeight& read_weight,
                               const std::vector<Shape>& inputs);

}  // namespace narrow
