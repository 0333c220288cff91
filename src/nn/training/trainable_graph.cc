#include "nn/training/trainable_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>

#include "graph/operators.h"
#include "graph/operators/window.h"
#include "narrow/error.h"
#include "nn/conv_geometry.h"
#include "nn/pool_geometry.h"

namespace narrow {
namespace {

[[noreturn]] void refuse(std::string_view name, std::string_view what, std::string_view why) {
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{}: {} cannot be trained yet{}.", name, what, why));
}

[[noreturn]] void refuse(const Node& node, std::string_view why) {
  refuse(node.name, operator_of(node).name, why);
}

const Node& first_node(const Graph& graph, const Layer& layer) {
  return graph.nodes[static_cast<std::size_t>(layer.first_node())];
}

ShapeTable image_shapes(const Graph& graph, int height, int width) {
  if (graph.inputs.size() != 1) {
    refuse(graph.name, fmt::format("a network with {} inputs", graph.inputs.size()), "");
  }
  ShapeTable shapes = infer_shapes(graph, height, width);
  if (shapes[static_cast<std::size_t>(graph.inputs[0])][1].is_free()) {
    refuse(graph.name, "a network", " whose images have a free number of channels");
  }
  return shapes;
}

const Layer* required_output_layer(const Graph& graph, const std::vector<Layer>& layers) {
  if (graph.outputs.size() != 1) {
    refuse(graph.name, fmt::format("a network with {} outputs", graph.outputs.size()), "");
  }
  const Layer* const output = output_layer(graph, layers);
  if (output == nullptr) {
    refuse(graph.name, "a network", " whose output is made by no linear layer");
  }
  return output;
}

// With windows of one pixel and one stride, in the order of the pixels.
bool is_subsampling(const Node& node) {
  const auto* const pool = std::get_if<op::MaxPool>(&node.attributes);
  if (pool == nullptr) return false;
  const Window& window = pool->window;
  const bool padded = window.auto_pad == AutoPad::kNotSet &&
                      std::ranges::any_of(window.pads, [](std::int64_t pad) { return pad != 0; });
  return window.extent(0) == 1 && window.extent(1) == 1 && !padded &&
         window.strides[0] == window.strides[1];
}

}  // namespace

TrainableGraph::TrainableGraph(const Graph& graph, const std::vector<Layer>& layers, int height,
                               int width)
    : graph_(graph),
      layers_(layers),
      uses_(graph),
      shapes_(image_shapes(graph, height, width)),
      output_(required_output_layer(graph, layers)) {
  take_steps();
  require_output_layer();
  require_own_weights();
  find_merged();
}

void TrainableGraph::take_steps() {
  // The logits and other shapes of them.
  std::vector<ValueId> logits = {output_->output};
  for (const GraphStep& step : graph_steps(graph_, layers_)) {
    require_used(step);
    if (step.layer == output_) continue;
    if (step.layer != nullptr) {
      require_trainable(*step.layer);
    } else if (std::holds_alternative<op::Flatten>(step.node->attributes) &&
               std::ranges::find(logits, step.node->inputs[0]) != logits.end()) {
      logits.push_back(step.node->output());
      continue;
    } else {
      require_trainable(*step.node);
    }
    steps_.push_back(step);
  }
}

void TrainableGraph::require_used(const GraphStep& step) const {
  const ValueId id = step.output();
  if (!uses_.users(id).empty() || uses_.is_output(id)) return;
  refuse(step.node != nullptr ? *step.node : first_node(graph_, *step.layer),
         " where nothing uses its result");
}

void TrainableGraph::require_trainable(const Layer& layer) const {
  const Node& node = first_node(graph_, layer);
  if (!layer.norm) refuse(node, " without batch normalization");
  if (layer.bias) refuse(node, " with biases before its batch normalization");
  if (layer.addend != kNoValue && shape(layer.addend) != shape(node.output())) {
    refuse(node, fmt::format(" where a value of another shape is added to its result: {} to {}",
                             to_string(shape(layer.addend)), to_string(shape(node.output()))));
  }
}

void TrainableGraph::require_trainable(const Node& node) const {
  if (std::holds_alternative<op::GlobalAveragePool>(node.attributes)) return;
  const auto* const pool = std::get_if<op::MaxPool>(&node.attributes);
  if (pool == nullptr) refuse(node, " where it is no part of a linear layer");
  const ValueSize x = size(node.inputs[0]);
  const std::string_view obstacle = pool_obstacle(*pool, x.height, x.width);
  if (!obstacle.empty()) refuse(node, obstacle);
}

void TrainableGraph::require_output_layer() const {
  const Layer& layer = *output_;
  const bool is_plain = !layer.norm && !layer.relu && layer.addend == kNoValue && layer.bias;
  if (is_plain && size(layer.input).pixels() == 1 && conv_geometry(layer, 1, 1, 1).kernel == 1) {
    return;
  }
  refuse(first_node(graph_, layer),
         " as output layer unless it is a 1x1 convolution of one pixel with biases and nothing "
         "after it");
}

// Gradients of several uses would have to be added up.
void TrainableGraph::require_own_weights() const {
  std::vector<bool> used(graph_.weights.size(), false);
  for (const Node& node : graph_.nodes) {
    for (const ValueId id : node.inputs) {
      const Weight* const weight = graph_.weight_of(id);
      if (weight == nullptr) continue;
      const auto index = static_cast<std::size_t>(weight - graph_.weights.data());
      if (used[index]) {
        refuse(node, fmt::format(" where something else uses {} too", weight->name));
      }
      used[index] = true;
    }
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) refuse(graph_.weights[i].name, "a weight", " where no operator uses it");
  }
}

void TrainableGraph::find_merged() {
  merged_.assign(graph_.values.size(), -1);
  for (const Layer& layer : layers_) {
    if (layer.addend == kNoValue || uses_.only_user(layer.addend) < 0) continue;
    const auto step = std::ranges::find(steps_, layer.addend, &GraphStep::output);
    if (step == steps_.end() || !can_merge(*step)) continue;
    merged_[static_cast<std::size_t>(layer.addend)] = static_cast<int>(step - steps_.begin());
  }
}

bool TrainableGraph::can_merge(const GraphStep& step) const {
  if (step.node != nullptr) return is_subsampling(*step.node);
  return !step.layer->relu && step.layer->addend == kNoValue;
}

ValueSize TrainableGraph::size(ValueId id) const {
  const Dimensions& dimensions = shape(id);
  return {static_cast<int>(dimensions[2].size), static_cast<int>(dimensions[3].size),
          static_cast<int>(dimensions[1].size)};
}

const GraphStep* TrainableGraph::merged(ValueId id) const {
  const int step = merged_[static_cast<std::size_t>(id)];
  return step < 0 ? nullptr : &steps_[static_cast<std::size_t>(step)];
}

}  // namespace narrow
