// Questions about the structure of a graph that methods and executors ask.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "graph/layers.h"
#include "graph/linear_layers.h"
#include "graph/weight_source.h"

namespace narrow {

// Whether its operator is one of these.
template <typename... Operators>
bool is_any(const Node& node) {
  return (std::holds_alternative<Operators>(node.attributes) || ...);
}

// kNoValue for one that is left out, at the end too.
inline ValueId input_of(const Node& node, std::size_t index) {
  return index < node.inputs.size() ? node.inputs[index] : kNoValue;
}

// Whether it is Clip from 0 to 6.
bool is_relu6(const Graph& graph, const Node& node);

// By value: which do not depend on inputs of the graph.
std::vector<bool> known_values(const Graph& graph);

// Who reads each value.
class ValueUses {
 public:
  explicit ValueUses(const Graph& graph);

  // Indices of nodes in order, one for each input that reads the value.
  [[nodiscard]] const std::vector<int>& users(ValueId id) const {
    return users_[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] bool is_output(ValueId id) const { return outputs_[static_cast<std::size_t>(id)]; }
  // The node that alone reads the value, once, with no output of the graph among the readers; -1
  // when there is none.
  [[nodiscard]] int only_user(ValueId id) const;

 private:
  std::vector<std::vector<int>> users_;
  std::vector<bool> outputs_;
};

// Two layers, of which the first feeds the second and nothing else, and between which there is only
// what commutes with a positive factor for each channel: ReLU, pools, and a change of shape that
// keeps one element a channel. So channel c of the first may be multiplied and input channel c of
// the second divided (Nagel et al., "Data-Free Quantization through Weight Equalization and Bias
// Correction", 2019, section 4.1). The first has no addend.
struct ScalePath {
  const Layer* before = nullptr;
  const Layer* after = nullptr;
};

// In the order of the first layers. Points into `layers`.
std::vector<ScalePath> scale_paths(const Graph& graph, const std::vector<Layer>& layers);

// The same of linear layers as they are stored, and with a Clip from 0 between them: through it a
// factor goes only where the channel stays below `limit`, its upper bound. `clipped` is what the
// Clip reads; kNoValue without one.
struct LinearPath {
  const LinearLayer* before = nullptr;
  const LinearLayer* after = nullptr;
  ValueId clipped = kNoValue;
  double limit = std::numeric_limits<double>::infinity();
};

// In the order of the first layers. `weights` has those of the graph. Points into `layers`.
std::vector<LinearPath> linear_paths(const Graph& graph, const std::vector<LinearLayer>& layers,
                                     const WeightSource& weights);

// An axis of a weight, as the operator has it.
struct WeightAxis {
  int weight = 0;  // index into Graph::weights
  std::size_t axis = 0;
  bool operator==(const WeightAxis&) const = default;
};

// The axes that count the same channels, tied by batch norms, sums, pools and depthwise layers: who
// takes a channel away takes it from all of them.
struct ChannelGroup {
  std::int64_t channels = 0;
  std::vector<WeightAxis> axes;
  bool has_input = false;   // channels of an input of the graph are among them
  bool has_output = false;  // or of an output
};

// In the order of the first axis of each, groups without weights left out. Throws what infer_shapes
// throws.
std::vector<ChannelGroup> channel_groups(const Graph& graph);

}  // namespace narrow
