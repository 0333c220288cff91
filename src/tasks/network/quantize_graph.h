// Quantization of any graph with methods. Internal to this folder.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "graph/graph.h"
#include "narrow/quantize_network.h"

namespace narrow {

// quantize_network for a network of is_any_graph(); `schemes_of` gives the
// schemes of the plan for the weights of a graph. Throws as that does, and Error(kUnsupported) for
// a graph that does not classify images or whose examples depend on each other.
using SchemesOf = std::function<std::map<std::string, Scheme>(const Graph& graph)>;
NetworkResult quantize_graph(const CheckpointReader& reader, const QuantizePlan& plan,
                             const NetworkMethods& methods, const QuantizeOptions& options,
                             const SchemesOf& schemes_of, CheckpointWriter& writer,
                             CheckpointWriter& scales, QuantizeObserver* observer);

}  // namespace narrow
