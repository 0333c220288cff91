#include "nn/training/trainable_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>

#include "graph/operators/window.h"
#include "nn/pool_geometry.h"

namespace narrow {
namespace {

using training_kernels::Activation;

ShapeTable image_shapes(const Graph& graph, int height, int width) {
  if (graph.inputs.size() != 1) {
    refuse_to_train(graph.name, fmt::format("a network with {} inputs", graph.inputs.size()), "");
  }
  ShapeTable shapes = infer_shapes(graph, height, width);
  if (shapes[static_cast<std::size_t>(graph.inputs[0])][1].is_free()) {
    refuse_to_train(graph.name, "a network", " whose images have a free number of channels");
  }
  return shapes;
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

TrainableGraph::TrainableGraph(const Graph& graph, int height, int width, TrainedOutputs outputs)
    : graph_(graph),
      uses_(graph),
      shapes_(image_shapes(graph, height, width)),
      found_(training_steps(graph, layers(graph), shapes_)) {
  if (outputs == TrainedOutputs::kLogits) find_outputs();
  for (const TrainingStep& step : found_.steps) {
    if (step.unit != nullptr) {
      require_trainable(*step.unit);
    } else {
      require_trainable(*step.node);
    }
    if (std::ranges::find(outputs_, step.unit) == outputs_.end()) steps_.push_back(step);
  }
  for (const TrainingUnit* output : outputs_) require_final(*output);
  require_own_weights();
  find_merged();
}

std::vector<ValueId> TrainableGraph::ends() const {
  std::vector<ValueId> ends;
  for (const TrainingUnit* output : outputs_) ends.push_back(output->input);
  if (!outputs_.empty()) return ends;
  for (const ValueId id : graph_.outputs) {
    ends.push_back(found_.same_as[static_cast<std::size_t>(id)]);
  }
  return ends;
}

void TrainableGraph::find_outputs() {
  for (const ValueId id : graph_.outputs) {
    const ValueId made = found_.same_as[static_cast<std::size_t>(id)];
    const auto step = std::ranges::find(found_.steps, made, &TrainingStep::output);
    if (step == found_.steps.end() || step->unit == nullptr || !step->unit->linear) {
      refuse_to_train(graph_.name, "a network", " whose output is made by no linear layer");
    }
    const TrainingUnit& unit = *step->unit;
    const bool is_plain =
        unit.bias && unit.addend == kNoValue && unit.activation == Activation::kNone;
    const bool is_of_one_pixel = unit.linear->is_fully_connected ||
                                 (size(unit.input).pixels() == 1 && unit.linear->groups == 1 &&
                                  unit.linear->window.kernel == std::vector<std::int64_t>{1, 1});
    if (!is_plain || !is_of_one_pixel) {
      refuse_to_train(*unit.node,
                      " as output layer unless it is fully connected, or a 1x1 convolution of one "
                      "pixel, with biases and nothing after it");
    }
    outputs_.push_back(&unit);
  }
}

void TrainableGraph::require_final(const TrainingUnit& output) const {
  const auto reads_it = [&](const TrainingStep& step) {
    const std::vector<ValueId> read = inputs(step);
    return std::ranges::find(read, output.output) != read.end();
  };
  if (std::ranges::count(outputs_, &output) == 1 && std::ranges::none_of(found_.steps, reads_it)) {
    return;
  }
  refuse_to_train(*output.node, " as output layer where something else reads its result");
}

void TrainableGraph::require_trainable(const TrainingUnit& unit) const {
  if (!unit.linear || unit.linear->is_fully_connected) return;
  const Window& window = unit.linear->window;
  if (window.rank() != 2) {
    refuse_to_train(*unit.node, fmt::format(" with {} axes", window.rank()));
  }
  if (std::ranges::any_of(window.dilations, [](std::int64_t step) { return step != 1; })) {
    refuse_to_train(*unit.node, fmt::format(" with dilations {} and {}", window.dilations[0],
                                            window.dilations[1]));
  }
}

void TrainableGraph::require_trainable(const Node& node) const {
  const Window* window = nullptr;
  bool ceil_mode = false;
  if (const auto* const pool = std::get_if<op::MaxPool>(&node.attributes)) {
    window = &pool->window;
    ceil_mode = pool->ceil_mode;
  } else if (const auto* const mean = std::get_if<op::AveragePool>(&node.attributes)) {
    window = &mean->window;
    ceil_mode = mean->ceil_mode;
  }
  if (window == nullptr) return;
  const ValueSize x = size(input(node));
  const std::string_view obstacle = pool_obstacle(*window, ceil_mode, x.height, x.width);
  if (!obstacle.empty()) refuse_to_train(node, obstacle);
}

// Gradients of several uses would have to be added up, as those of scales are.
void TrainableGraph::require_own_weights() const {
  std::vector<bool> used(graph_.weights.size(), false);
  for (const Node& node : graph_.nodes) {
    for (const ValueId id : node.inputs) {
      const Weight* const weight = graph_.weight_of(id);
      if (weight == nullptr) continue;
      const auto index = static_cast<std::size_t>(weight - graph_.weights.data());
      if (used[index] && !is_any<op::QuantizeLinear, op::DequantizeLinear>(node)) {
        refuse_to_train(node, fmt::format(" where something else uses {} too", weight->name));
      }
      used[index] = true;
    }
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) refuse_to_train(graph_.weights[i].name, "a weight", " where no operator uses it");
  }
}

void TrainableGraph::find_merged() {
  merged_.assign(graph_.values.size(), -1);
  for (const TrainingUnit& unit : found_.units) {
    if (unit.addend == kNoValue || !unit.norm || uses_.only_user(unit.addend) < 0) continue;
    const auto step = std::ranges::find(steps_, unit.addend, &TrainingStep::output);
    if (step == steps_.end() || !can_merge(*step)) continue;
    merged_[static_cast<std::size_t>(unit.addend)] = static_cast<int>(step - steps_.begin());
  }
}

bool TrainableGraph::can_merge(const TrainingStep& step) const {
  if (step.node != nullptr) return is_subsampling(*step.node);
  return step.unit->linear && step.unit->norm && step.unit->activation == Activation::kNone &&
         step.unit->addend == kNoValue;
}

std::vector<ValueId> TrainableGraph::inputs(const TrainingStep& step) const {
  std::vector<ValueId> read;
  if (step.unit != nullptr) {
    read.push_back(step.unit->input);
    if (step.unit->addend != kNoValue) read.push_back(step.unit->addend);
    return read;
  }
  for (std::size_t i = 0; i < step.node->inputs.size(); ++i) {
    if (!graph_.is_stored(step.node->inputs[i])) read.push_back(input(*step.node, i));
  }
  return read;
}

ValueSize TrainableGraph::size(ValueId id) const {
  const Dimensions& dimensions = shape(id);
  const auto at = [&](std::size_t axis) {
    return axis < dimensions.size() ? static_cast<int>(dimensions[axis].size) : 1;
  };
  return {at(2), at(3), at(1)};
}

const TrainingStep* TrainableGraph::merged(ValueId id) const {
  const int step = merged_[static_cast<std::size_t>(id)];
  return step < 0 ? nullptr : &steps_[static_cast<std::size_t>(step)];
}

}  // namespace narrow
