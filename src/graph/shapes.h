// The dimensions of every value of a graph.
#pragma once

#include <vector>

#include "graph/facts.h"
#include "graph/graph.h"

namespace narrow {

// By value; weights as the operators have them.
using ShapeTable = std::vector<Dimensions>;

// With the graph's own dimensions of its inputs: free ones stay free where they pass through.
// Throws Error(kUnsupported) naming the node whose inputs do not fit.
ShapeTable infer_shapes(const Graph& graph);

// With these dimensions for each input of the graph.
// Throws also when they do not fit those that the graph declares.
ShapeTable infer_shapes(const Graph& graph, const std::vector<Dimensions>& inputs);

// Checks that these are as many as the graph has inputs, and that they fit those that it declares.
// Throws Error(kUnsupported) naming the input.
void check_inputs(const Graph& graph, const std::vector<Dimensions>& inputs);

// By value.
using FactTable = std::vector<Fact>;

// The same with types, and with the elements of small integers as far as they follow from sizes.
FactTable infer_facts(const Graph& graph, const std::vector<Dimensions>& inputs);

// The same with the graph's own dimensions of its inputs.
FactTable infer_facts(const Graph& graph);

// With images of height x width pixels as the graph's only input; the number of images stays free.
ShapeTable infer_shapes(const Graph& graph, int height, int width);

// Products of two numbers that are added up to compute a node for one image, when the sizes are
// known: of linear operators; 0 for others.
std::int64_t multiply_adds(const Graph& graph, const Node& node, const ShapeTable& shapes);

}  // namespace narrow
