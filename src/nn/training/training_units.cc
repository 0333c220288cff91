#include "nn/training/training_units.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <variant>

#include "graph/constants.h"
#include "graph/linear_layers.h"
#include "graph/matchers.h"
#include "graph/operators.h"
#include "narrow/error.h"

namespace narrow {

using training_kernels::Activation;

namespace {

// Images from channels first to channels last.
const std::vector<std::int64_t> kChannelsLast = {0, 2, 3, 1};

Activation activation_of(const Graph& graph, const Node& node) {
  if (is_any<op::Relu>(node)) return Activation::kRelu;
  return is_relu6(graph, node) ? Activation::kRelu6 : Activation::kNone;
}

class StepFinder {
 public:
  StepFinder(const Graph& graph, const std::vector<Layer>& layers, const ShapeTable& shapes)
      : graph_(graph),
        layers_(layers),
        shapes_(shapes),
        uses_(graph),
        taken_(graph.nodes.size(), false) {
    found_.same_as.resize(graph.values.size());
    std::iota(found_.same_as.begin(), found_.same_as.end(), 0);
  }

  TrainingSteps run() {
    for (const GraphStep& step : graph_steps(graph_, layers_)) {
      const Node& node = step.node != nullptr ? *step.node : node_at(step.layer->first_node());
      if (uses_.users(step.output()).empty() && !uses_.is_output(step.output())) {
        refuse_to_train(node, " where nothing uses its result");
      }
      if (step.layer != nullptr) {
        add_layer(*step.layer);
      } else if (!taken_[index_of(node)]) {
        add_node(node);
      }
    }
    return std::move(found_);
  }

 private:
  [[nodiscard]] const Node& node_at(int index) const {
    return graph_.nodes[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] std::size_t index_of(const Node& node) const {
    return static_cast<std::size_t>(&node - graph_.nodes.data());
  }
  [[nodiscard]] const Dimensions& shape(ValueId id) const {
    return shapes_[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] ValueId resolved(ValueId id) const {
    return found_.same_as[static_cast<std::size_t>(id)];
  }
  void set_same(const Node& node) {
    found_.same_as[static_cast<std::size_t>(node.output())] = resolved(node.inputs[0]);
  }

  void add_layer(const Layer& layer) {
    const Node& node = node_at(layer.first_node());
    if (layer.layout != WeightLayout::kHwio) {
      refuse_to_train(node, " with weights in another order than height, width, in, out");
    }
    TrainingUnit unit = start(node, layer.input);
    unit.linear = {layer.weights, layer.conv.window, layer.conv.group, layer.in_channels,
                   layer.out_channels};
    unit.bias = layer.bias;
    if (layer.norm) {
      const Node& norm = node_at(layer.nodes[1]);
      if (layer.bias) refuse_to_train(node, " with biases before its batch normalization");
      unit.norm = norm_of(norm);
    }
    if (layer.addend != kNoValue) unit.addend = resolved(layer.addend);
    if (layer.relu) unit.activation = Activation::kRelu;
    unit.output = layer.output;
    if (layer.addend != kNoValue) require_equal_shapes(node, layer.addend, layer.output);
    finish(std::move(unit));
  }

  void add_node(const Node& node) {
    const auto is_stored = [&](ValueId id) { return id == kNoValue || graph_.is_stored(id); };
    // The order of a depthwise layer's weights, which the layer itself looks at.
    if (is_any<op::Transpose>(node) && is_stored(node.inputs[0])) return;
    if (is_any<op::Reshape>(node) && makes_weights(node)) return;
    if (is_any<op::Conv>(node)) return add_depthwise(node);
    if (is_any<op::Gemm>(node)) return add_fully_connected(node);
    if (is_any<op::BatchNormalization>(node)) return add_norm(node);
    if (is_any<op::Add>(node)) return add_sum(node);
    if (is_any<op::Flatten>(node)) return add_flatten(node);
    if (is_any<op::Transpose>(node)) return add_channels_last(node);
    if (is_any<op::QuantizeLinear>(node)) return set_same(node);
    if (is_any<op::DequantizeLinear>(node)) return add_quantizer(node);
    if (activation_of(graph_, node) != Activation::kNone) {
      TrainingUnit unit = start(node, node.inputs[0]);
      unit.activation = activation_of(graph_, node);
      return finish(std::move(unit));
    }
    require_step(node);
    found_.steps.push_back({nullptr, &node});
  }

  [[nodiscard]] TrainingUnit start(const Node& node, ValueId input) const {
    TrainingUnit unit;
    unit.name = node.name;
    unit.node = &node;
    unit.input = resolved(input);
    unit.output = node.output();
    return unit;
  }

  // With what follows and nothing else reads.
  void finish(TrainingUnit unit) {
    for (int i = uses_.only_user(unit.output); i >= 0; i = uses_.only_user(unit.output)) {
      const Node& next = node_at(i);
      if (!take(unit, next)) break;
      taken_[static_cast<std::size_t>(i)] = true;
      unit.output = next.output();
    }
    found_.units.push_back(std::move(unit));
    found_.steps.push_back({&found_.units.back(), nullptr});
  }

  [[nodiscard]] bool take(TrainingUnit& unit, const Node& next) const {
    if (unit.activation != Activation::kNone || next.inputs[0] != unit.output) return false;
    if (is_any<op::BatchNormalization>(next)) {
      if (!unit.linear || unit.norm || unit.addend != kNoValue) return false;
      if (unit.bias) refuse_to_train(*unit.node, " with biases before its batch normalization");
      unit.norm = norm_of(next);
      return true;
    }
    unit.activation = activation_of(graph_, next);
    return unit.activation != Activation::kNone;
  }

  [[nodiscard]] UnitNorm norm_of(const Node& node) const {
    const auto& attributes = std::get<op::BatchNormalization>(node.attributes);
    UnitNorm norm;
    norm.epsilon = attributes.epsilon;
    norm.decay = attributes.momentum;
    if (!has_unit_scale(graph_, node)) norm.gamma = weight_name(node, 1);
    norm.beta = weight_name(node, 2);
    norm.moving_mean = weight_name(node, 3);
    norm.moving_variance = weight_name(node, 4);
    return norm;
  }

  [[nodiscard]] std::string weight_name(const Node& node, std::size_t input) const {
    const Weight* const weight =
        input < node.inputs.size() ? graph_.weight_of(node.inputs[input]) : nullptr;
    if (weight == nullptr) {
      refuse_to_train(node, fmt::format(" where its input {} is no stored weight", input));
    }
    return weight->name;
  }

  // For the convolution that reads them.
  [[nodiscard]] bool makes_weights(const Node& node) const {
    const int user = uses_.only_user(node.output());
    return user >= 0 && depthwise_weight(graph_, node_at(user)) != kNoValue;
  }

  void add_depthwise(const Node& node) {
    const ValueId stored = depthwise_weight(graph_, node);
    if (stored == kNoValue) {
      refuse_to_train(node, " whose weights are no stored tensor in the order of TensorFlow");
    }
    const Weight* const weights = graph_.weight_of(stored);
    const auto& conv = std::get<op::Conv>(node.attributes);
    TrainingUnit unit = start(node, node.inputs[0]);
    const auto channels = static_cast<int>(weights->shape[2]);
    unit.linear = {weights->name, conv.window, conv.group, channels,
                   channels * static_cast<int>(weights->shape[3])};
    if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) unit.bias = weight_name(node, 2);
    finish(std::move(unit));
  }

  void add_fully_connected(const Node& node) {
    if (std::get<op::Gemm>(node.attributes) != op::Gemm{}) {
      refuse_to_train(node, " with a factor or a transposed matrix");
    }
    TrainingUnit unit = start(node, node.inputs[0]);
    const std::string weights = weight_name(node, 1);
    const Shape& size = graph_.weight_of(node.inputs[1])->shape;
    unit.linear = {weights, {}, 1, static_cast<int>(size[0]), static_cast<int>(size[1]), true};
    if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) unit.bias = weight_name(node, 2);
    finish(std::move(unit));
  }

  void add_norm(const Node& node) {
    TrainingUnit unit = start(node, node.inputs[0]);
    unit.norm = norm_of(node);
    finish(std::move(unit));
  }

  void add_sum(const Node& node) {
    require_equal_shapes(node, node.inputs[0], node.inputs[1]);
    TrainingUnit unit = start(node, node.inputs[0]);
    unit.addend = resolved(node.inputs[1]);
    finish(std::move(unit));
  }

  void require_equal_shapes(const Node& node, ValueId a, ValueId b) const {
    if (shape(a) == shape(b)) return;
    refuse_to_train(node,
                    fmt::format(" where a value of another shape is added to its result: {} to {}",
                                to_string(shape(a)), to_string(shape(b))));
  }

  // Of [N, height, width, channels], or of one pixel.
  void add_flatten(const Node& node) {
    const Dimensions& x = shape(node.inputs[0]);
    const bool is_moved = resolved(node.inputs[0]) != node.inputs[0];
    const bool is_flat = x.size() == 2 || (x.size() == 4 && x[2].size * x[3].size == 1);
    if (std::get<op::Flatten>(node.attributes).axis != 1 || (!is_moved && !is_flat)) {
      refuse_to_train(node, " unless it follows a Transpose that moves the channels to the end");
    }
    set_same(node);
  }

  void add_channels_last(const Node& node) {
    const int user = uses_.only_user(node.output());
    const bool is_flattened = user >= 0 && is_any<op::Flatten>(node_at(user));
    if (std::get<op::Transpose>(node.attributes).order != kChannelsLast || !is_flattened) {
      refuse_to_train(node, " unless it moves the channels to the end before a Flatten");
    }
    set_same(node);
  }

  // Of QuantizeLinear and DequantizeLinear together.
  void add_quantizer(const Node& node) {
    const int producer = graph_.producer(node.inputs[0]);
    const Weight* const scale = graph_.weight_of(node.inputs[1]);
    const bool has_codes = producer >= 0 && is_any<op::QuantizeLinear>(node_at(producer)) &&
                           uses_.only_user(node.inputs[0]) >= 0;
    if (!has_codes || scale == nullptr || element_count(scale->shape) != 1 ||
        node.inputs.size() > 2 || node_at(producer).inputs.size() > 2 ||
        node_at(producer).inputs[1] != node.inputs[1]) {
      refuse_to_train(node,
                      " unless its codes are those of a QuantizeLinear with the same stored "
                      "scale, without zero points and for nothing else");
    }
    found_.steps.push_back({nullptr, &node});
  }

  void require_step(const Node& node) const {
    if (is_any<op::MaxPool, op::GlobalAveragePool, op::LocalResponseNormalization>(node)) return;
    if (const auto* const pool = std::get_if<op::AveragePool>(&node.attributes)) {
      if (pool->count_include_pad) refuse_to_train(node, " that counts padding");
    } else if (const auto* const concat = std::get_if<op::Concat>(&node.attributes)) {
      if (concat->axis != 1) refuse_to_train(node, " of another axis than the channels");
    } else if (const auto* const binary = std::get_if<op::Binary>(&node.attributes)) {
      if (binary->kind != op::BinaryKind::kMul || !scalar_of(graph_, node.inputs[1])) {
        refuse_to_train(node, " unless it multiplies by a constant");
      }
    } else if (is_any<op::Dropout>(node)) {
      const double ratio = dropout_ratio(graph_, node);
      if (!(ratio >= 0 && ratio < 1)) refuse_to_train(node, " with a ratio outside of 0 to 1");
    } else {
      refuse_to_train(node, " where it is no part of a linear layer");
    }
  }

  const Graph& graph_;
  const std::vector<Layer>& layers_;
  const ShapeTable& shapes_;
  ValueUses uses_;
  std::vector<bool> taken_;  // by node: part of a unit that stands earlier
  TrainingSteps found_;
};

}  // namespace

TrainingSteps training_steps(const Graph& graph, const std::vector<Layer>& layers,
                             const ShapeTable& shapes) {
  return StepFinder(graph, layers, shapes).run();
}

const std::string& scale_name(const Graph& graph, const Node& node) {
  return graph.weight_of(node.inputs[1])->name;
}

double constant_factor(const Graph& graph, const Node& node) {
  return *scalar_of(graph, node.inputs[1]);
}

double dropout_ratio(const Graph& graph, const Node& node) {
  return node.inputs.size() < 2 ? 0.5 : scalar_of(graph, node.inputs[1]).value_or(-1);
}

void refuse_to_train(std::string_view name, std::string_view what, std::string_view why) {
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{}: {} cannot be trained yet{}.", name, what, why));
}

void refuse_to_train(const Node& node, std::string_view why) {
  refuse_to_train(node.name, operator_of(node).name, why);
}

}  // namespace narrow
