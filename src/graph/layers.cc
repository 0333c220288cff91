#include "graph/layers.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/matchers.h"
#include "graph/operators.h"
#include "graph/shapes.h"
#include "narrow/error.h"

namespace narrow {
namespace {

class LayerFinder {
 public:
  explicit LayerFinder(const Graph& graph)
      : graph_(graph), shapes_(infer_shapes(graph)), uses_(graph) {}

  std::vector<Layer> run() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      if (!std::holds_alternative<op::Conv>(node.attributes)) continue;
      if (has_stored_weights(node)) found_.push_back(make_layer(static_cast<int>(i)));
    }
    // A sum goes to the later of its operands, which is the first to be asked here.
    for (auto layer = found_.rbegin(); layer != found_.rend(); ++layer) take_sum(*layer);
    for (Layer& layer : found_) take_relu(layer);
    return std::move(found_);
  }

 private:
  [[nodiscard]] bool has_stored_weights(const Node& node) const {
    const auto is_stored = [&](ValueId id) {
      return id == kNoValue || graph_.weight_of(id) != nullptr;
    };
    return std::all_of(node.inputs.begin() + 1, node.inputs.end(), is_stored);
  }

  Layer make_layer(int index) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    const Weight& weights = *graph_.weight_of(node.inputs[1]);
    Layer layer;
    layer.name = node.name;
    layer.conv = std::get<op::Conv>(node.attributes);
    const Shape used = weights.used_shape();
    layer.out_channels = static_cast<int>(used.at(0));
    layer.in_channels = static_cast<int>(used.at(1) * layer.conv.group);
    layer.weights = weights.name;
    layer.weights_shape = weights.shape;
    layer.layout = weights.layout;
    layer.input = node.inputs[0];
    layer.output = node.output();
    layer.nodes = {index};
    if (node.inputs.size() > 2) {
      if (const Weight* bias = graph_.weight_of(node.inputs[2])) layer.bias = bias->name;
    }
    take_norm(layer);
    return layer;
  }

  // The only node after the layer so far, if it is of this operator.
  template <typename Operator>
  const Node* next(const Layer& layer) const {
    const int user = uses_.only_user(layer.output);
    if (user < 0) return nullptr;
    const Node& node = graph_.nodes[static_cast<std::size_t>(user)];
    return std::holds_alternative<Operator>(node.attributes) ? &node : nullptr;
  }

  void take(Layer& layer, const Node& node) {
    layer.output = node.output();
    layer.nodes.push_back(static_cast<int>(&node - graph_.nodes.data()));
  }

  void take_norm(Layer& layer) {
    const Node* const node = next<op::BatchNormalization>(layer);
    if (node == nullptr || node->inputs[0] != layer.output) return;
    const auto& attributes = std::get<op::BatchNormalization>(node->attributes);
    if (attributes.training_mode) return;
    std::vector<std::string> names;
    for (std::size_t i = 1; i < node->inputs.size(); ++i) {
      const Weight* const weight = graph_.weight_of(node->inputs[i]);
      if (weight == nullptr) return;
      names.push_back(weight->name);
    }
    layer.norm = LayerNorm{names[0], names[1], names[2], names[3], attributes.epsilon};
    take(layer, *node);
  }

  void take_sum(Layer& layer) {
    const Node* const node = next<op::Add>(layer);
    if (node == nullptr || node->inputs[0] == node->inputs[1]) return;
    const ValueId other = node->inputs[node->inputs[0] == layer.output ? 1 : 0];
    const auto takes_it = [&](const Layer& later) { return later.output == node->output(); };
    if (graph_.weight_of(other) != nullptr || std::ranges::any_of(found_, takes_it)) return;
    if (!are_added_one_by_one(other, layer.output)) return;
    layer.addend = other;
    take(layer, *node);
  }

  // Whether no element of either is repeated for the sum, as far as their sizes are known.
  [[nodiscard]] bool are_added_one_by_one(ValueId a, ValueId b) const {
    const auto fits = [](const Dimension& x, const Dimension& y) {
      return x == y || (x.size != 1 && y.size != 1 && (x.is_free() || y.is_free()));
    };
    return std::ranges::equal(shapes_[static_cast<std::size_t>(a)],
                              shapes_[static_cast<std::size_t>(b)], fits);
  }

  void take_relu(Layer& layer) {
    const Node* const node = next<op::Relu>(layer);
    if (node == nullptr) return;
    layer.relu = true;
    take(layer, *node);
  }

  const Graph& graph_;
  ShapeTable shapes_;
  ValueUses uses_;
  std::vector<Layer> found_;
};

}  // namespace

bool Layer::has_weight(std::string_view weight) const {
  return weight == weights || (bias && weight == *bias) ||
         (norm && (weight == norm->gamma || weight == norm->beta || weight == norm->moving_mean ||
                   weight == norm->moving_variance));
}

std::vector<Layer> layers(const Graph& graph) { return LayerFinder(graph).run(); }

const Layer* output_layer(const Graph& graph, const std::vector<Layer>& layers) {
  if (graph.outputs.size() != 1) return nullptr;
  ValueId value = graph.outputs[0];
  for (int i = graph.producer(value); i >= 0; i = graph.producer(value)) {
    const Node& node = graph.nodes[static_cast<std::size_t>(i)];
    if (!std::holds_alternative<op::Flatten>(node.attributes)) break;
    value = node.inputs[0];
  }
  const auto found = std::ranges::find(layers, value, &Layer::output);
  return found == layers.end() ? nullptr : &*found;
}

std::optional<Layer> output_layer(const Graph& graph) {
  const std::vector<Layer> all = layers(graph);
  const Layer* const last = output_layer(graph, all);
  return last != nullptr ? std::optional(*last) : std::nullopt;
}

int class_count(const Graph& graph) {
  if (const std::optional<Layer> last = output_layer(graph)) return last->out_channels;
  throw Error(
      ErrorCategory::kUnsupported,
      fmt::format("{} is no classifier: no linear layer makes its only output", graph.name));
}

std::vector<ValueId> GraphStep::inputs(const Graph& graph) const {
  if (node == nullptr) {
    return layer->addend == kNoValue ? std::vector<ValueId>{layer->input}
                                     : std::vector<ValueId>{layer->input, layer->addend};
  }
  std::vector<ValueId> read;
  for (const ValueId id : node->inputs) {
    if (id != kNoValue && !graph.is_stored(id)) read.push_back(id);
  }
  return read;
}

std::vector<GraphStep> graph_steps(const Graph& graph, const std::vector<Layer>& layers) {
  // By node: the layer that it belongs to.
  std::vector<const Layer*> owners(graph.nodes.size(), nullptr);
  for (const Layer& layer : layers) {
    for (const int i : layer.nodes) owners[static_cast<std::size_t>(i)] = &layer;
  }
  std::vector<GraphStep> steps;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.outputs.size() > 1) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{}: {} with {} results cannot be executed step by step yet",
                              node.name, operator_of(node).name, node.outputs.size()));
    }
    if (owners[i] == nullptr) {
      steps.push_back({nullptr, &graph.nodes[i]});
    } else if (owners[i]->last_node() == static_cast<int>(i)) {
      steps.push_back({owners[i], nullptr});
    }
  }
  return steps;
}

std::vector<std::size_t> last_uses(const Graph& graph, const std::vector<GraphStep>& steps) {
  std::vector<std::size_t> last(graph.values.size(), 0);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    for (const ValueId id : steps[i].inputs(graph)) last[static_cast<std::size_t>(id)] = i;
  }
  return last;
}

}  // namespace narrow
