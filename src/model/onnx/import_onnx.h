// An ONNX model as a graph.
#pragma once

#include <cstdint>

#include "graph/graph.h"
#include "onnx_model.pb.h"

namespace narrow {

// What a description may hold beside its weights, which stay in the file.
constexpr std::uint64_t kMostConstantBytes = std::uint64_t{64} << 20;
// Larger ones of floating-point types are weights, whatever reads them.
constexpr std::uint64_t kMostElementsOfConstant = 1024;

// The graph with the operators' meaning of opset 21, whatever opset from 1 to 25 the model has.
// Initializers and constants that are parameters of linear layers and normalizations, or large, are
// weights of their own names, stored as used; small ones are constants of the graph, and so are
// those of integers unless they come without values. Functions of the model are replaced by their
// nodes, names of nodes and values made unique, nodes sorted. Throws Error(kUnsupported) naming
// node, operator and domain for an operator that is not computed, Error(kCorrupt) for a model that
// contradicts itself, naming the node or value.
Graph import_onnx(const onnx::ModelProto& model);

}  // namespace narrow
