// A whole graph with the reference operators.
#pragma once

#include <functional>
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

// Every value of the graph, by ValueId, from those of its inputs, computed in double without
// rounding to the types of its values. Throws Error(kUnsupported) naming the input or the node
// whose inputs do not fit.
std::vector<ReferenceTensor> run_reference(const Graph& graph, const ReferenceWeights& weights,
                                           const std::vector<ReferenceTensor>& inputs);

// Gives a weight as the checkpoint stores it, in its own type.
using WeightReader = std::function<ReferenceTensor(const Weight&)>;

// The elements of a kernel that is stored as [height, width, in, out], as [out, in, height, width].
template <typename T>
std::vector<T> ordered_as_used(const Weight& weight, const std::vector<T>& stored) {
  const auto in = static_cast<std::size_t>(weight.shape[2]);
  const auto out = static_cast<std::size_t>(weight.shape[3]);
  const std::size_t taps = stored.size() / (in * out);
  std::vector<T> used(stored.size());
  std::size_t next = 0;
  for (std::size_t tap = 0; tap < taps; ++tap) {
    for (std::size_t i = 0; i < in; ++i) {
      for (std::size_t o = 0; o < out; ++o) used[(o * in + i) * taps + tap] = stored[next++];
    }
  }
  return used;
}

// The weight as the operator has it, from what the checkpoint stores.
ReferenceTensor used_weight(const Weight& weight, ReferenceTensor stored);

// Is told how long each node took, by its index.
using NodeTimer = std::function<void(std::size_t node, double seconds)>;

// The outputs of the graph from its inputs, of the types that it declares. Values are dropped when
// nothing needs them any more. Throws as above, also for an input of another type.
std::vector<ReferenceTensor> run_reference(const Graph& graph, const WeightReader& read_weight,
                                           const std::vector<ReferenceTensor>& inputs,
                                           const NodeTimer& timer = {});

}  // namespace narrow
