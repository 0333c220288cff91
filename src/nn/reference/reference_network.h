// A whole graph with the reference operators.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/weight_source.h"
#include "nn/reference/reference_operators.h"

namespace narrow {

// By the weight's name; as the checkpoint stores them.
using ReferenceWeights = std::map<std::string, std::vector<double>>;

// Every weight of the graph. Throws what reading one throws.
ReferenceWeights reference_weights(const Graph& graph, const WeightSource& source);

// Every value of the graph, by ValueId, from those of its inputs. Throws what infer_shapes throws.
std::vector<ReferenceTensor> run_reference(const Graph& graph, const ReferenceWeights& weights,
                                           const std::vector<ReferenceTensor>& inputs);

}  // namespace narrow
