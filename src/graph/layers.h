// The linear layers of a graph, found by looking at it: what inference, training and methods work
// on.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace narrow {

// The batch normalization of a layer, which uses the moving statistics, by the names of its
// weights; one element a channel.
struct LayerNorm {
  std::string gamma;
  std::string beta;
  std::string moving_mean;
  std::string moving_variance;
  double epsilon = 0;
};

// A view of a part of a graph: a linear operator with a weight and what directly follows it and
// nothing else uses: batch normalization, the sum with another value, ReLU, in this order:
//   output = relu(norm(weights * input + bias) + addend), each of them if it is there.
struct Layer {
  std::string name;  // of the linear operator: "resnet_v1_50/conv1"
  op::Conv conv;
  int in_channels = 0;
  int out_channels = 0;
  std::string weights;  // the tensor's name; its shape and layout as the checkpoint has it
  Shape weights_shape;
  WeightLayout layout = WeightLayout::kAsUsed;
  std::optional<std::string> bias;
  std::optional<LayerNorm> norm;
  bool relu = false;

  ValueId input = kNoValue;
  ValueId addend = kNoValue;
  ValueId output = kNoValue;
  std::vector<int> nodes;  // in order, from the linear operator to the one that makes `output`

  [[nodiscard]] int first_node() const { return nodes.front(); }
  [[nodiscard]] int last_node() const { return nodes.back(); }
  // Whether a weight of this name is among its own.
  [[nodiscard]] bool has_weight(std::string_view weight) const;
};

// In the order of their linear operators. Of a sum of two of them the later one has the addend, and
// a sum that repeats elements of one of the two belongs to no layer.
// Linear operators whose weights or biases are no weight of the graph are left out.
// Throws what infer_shapes throws.
std::vector<Layer> layers(const Graph& graph);

// The layer that makes the graph's only output, followed by nothing but a change of shape; its
// outputs are the logits of a classifier. Null when there is none, or when there are other outputs.
const Layer* output_layer(const Graph& graph, const std::vector<Layer>& layers);

// The same by value, for who needs no other layer.
std::optional<Layer> output_layer(const Graph& graph);

// The number of classes of a classifier: the channels of its output layer. Throws
// Error(kUnsupported) when there is none.
int class_count(const Graph& graph);

// What is to be computed, in order: a layer, or a node that belongs to none.
struct GraphStep {
  const Layer* layer = nullptr;
  const Node* node = nullptr;  // null: the layer

  [[nodiscard]] ValueId output() const { return node != nullptr ? node->output() : layer->output; }
  // The values that it reads, weights left out.
  [[nodiscard]] std::vector<ValueId> inputs(const Graph& graph) const;
};

// A layer stands where its last node stood. Points into both. Throws Error(kUnsupported) naming a
// node with several results, as a step makes one value.
std::vector<GraphStep> graph_steps(const Graph& graph, const std::vector<Layer>& layers);

// By ValueId: the last step that reads the value; 0 for a value that none reads.
std::vector<std::size_t> last_uses(const Graph& graph, const std::vector<GraphStep>& steps);

}  // namespace narrow
