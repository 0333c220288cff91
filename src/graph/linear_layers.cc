#include "graph/linear_layers.h"

#include <algorithm>

#include "graph/matchers.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

// From rows, columns, inputs, outputs to outputs, inputs, rows, columns.
const std::vector<std::int64_t> kOutputsFirst = {2, 3, 0, 1};

const Node* producer_of(const Graph& graph, ValueId id) {
  const int index = graph.producer(id);
  return index < 0 ? nullptr : &graph.nodes[static_cast<std::size_t>(index)];
}

class LinearFinder {
 public:
  explicit LinearFinder(const Graph& graph) : graph_(graph), uses_(graph) {}

  std::vector<LinearLayer> run() const {
    std::vector<LinearLayer> found;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (auto layer = layer_of(static_cast<int>(i))) found.push_back(std::move(*layer));
    }
    return found;
  }

 private:
  [[nodiscard]] std::optional<LinearLayer> layer_of(int index) const {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    if (node.inputs.size() < 2 || graph_.is_stored(node.inputs[0])) return std::nullopt;
    const Weight* const kernel = kernel_of(node);
    if (kernel == nullptr) return std::nullopt;
    LinearLayer layer;
    layer.name = node.name;
    layer.node = index;
    layer.weights = kernel->name;
    layer.weights_shape = kernel->shape;
    layer.input = node.inputs[0];
    layer.product = layer.output = node.output();
    if (!take_kind(node, *kernel, layer)) return std::nullopt;
    if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) {
      const Weight* const bias = own_weight(node.inputs[2]);
      if (bias == nullptr || element_count(bias->shape) != layer.out_channels) return std::nullopt;
      layer.bias = bias->name;
    }
    take_norm(layer);
    return layer;
  }

  // A weight that no other node reads.
  [[nodiscard]] const Weight* own_weight(ValueId id) const {
    const Weight* const weight = graph_.weight_of(id);
    return weight != nullptr && uses_.users(id).size() == 1 ? weight : nullptr;
  }

  [[nodiscard]] const Weight* kernel_of(const Node& node) const {
    if (const Weight* const kernel = own_weight(node.inputs[1])) return kernel;
    const ValueId stored = depthwise_weight(graph_, node);
    const bool is_own = stored != kNoValue && uses_.only_user(node.inputs[1]) >= 0;
    return is_own ? own_weight(stored) : nullptr;
  }

  [[nodiscard]] bool take_kind(const Node& node, const Weight& kernel, LinearLayer& layer) const {
    if (element_count(kernel.shape) == 0) return false;
    if (const auto* conv = std::get_if<op::Conv>(&node.attributes)) {
      layer.window = conv->window;
      layer.groups = static_cast<std::size_t>(conv->group);
      const bool is_direct = graph_.weight_of(node.inputs[1]) != nullptr;
      layer.rows_first = is_direct && kernel.layout == WeightLayout::kAsUsed;
      layer.out_channels = static_cast<std::size_t>(is_direct ? kernel.used_shape().at(0)
                                                              : kernel.shape[2] * kernel.shape[3]);
      layer.columns = element_count(kernel.shape) / layer.out_channels;
      return true;
    }
    const auto* const gemm = std::get_if<op::Gemm>(&node.attributes);
    if (kernel.layout != WeightLayout::kAsUsed) return false;
    const bool is_product =
        std::holds_alternative<op::MatMul>(node.attributes) ||
        (gemm != nullptr && gemm->alpha == 1 && gemm->beta == 1 && !gemm->transpose_a);
    if (!is_product || kernel.shape.size() != 2) return false;
    layer.rows_first = gemm != nullptr && gemm->transpose_b;
    layer.out_channels = static_cast<std::size_t>(kernel.shape[layer.rows_first ? 0 : 1]);
    layer.columns = static_cast<std::size_t>(kernel.shape[layer.rows_first ? 1 : 0]);
    return true;
  }

  void take_norm(LinearLayer& layer) const {
    const int user = uses_.only_user(layer.product);
    if (user < 0) return;
    const Node& node = graph_.nodes[static_cast<std::size_t>(user)];
    const auto* const norm = std::get_if<op::BatchNormalization>(&node.attributes);
    if (norm == nullptr || norm->training_mode || node.inputs[0] != layer.product) return;
    std::vector<std::string> names;
    for (std::size_t i = 1; i < 5; ++i) {
      const Weight* const weight = own_weight(node.inputs.at(i));
      if (weight == nullptr && i == 1 && has_unit_scale(graph_, node)) {
        names.emplace_back();
        continue;
      }
      if (weight == nullptr || element_count(weight->shape) != layer.out_channels) return;
      names.push_back(weight->name);
    }
    layer.norm = LinearNorm{{}, names[1], names[2], names[3], norm->epsilon};
    if (!names[0].empty()) layer.norm->gamma = names[0];
    layer.output = node.output();
  }

  const Graph& graph_;
  ValueUses uses_;
};

}  // namespace

std::size_t LinearLayer::taps() const {
  std::size_t count = 1;
  for (const std::int64_t size : window.kernel) count *= static_cast<std::size_t>(size);
  return count;
}

bool has_unit_scale(const Graph& graph, const Node& norm) {
  const Constant* const scale = graph.constant_of(norm.inputs[1]);
  if (scale == nullptr || !is_floating_point(scale->type)) return false;
  return std::ranges::all_of(decode_reals(scale->type, scale->bytes),
                             [](double value) { return value == 1; });
}

ValueId depthwise_weight(const Graph& graph, const Node& node) {
  const auto* const conv = std::get_if<op::Conv>(&node.attributes);
  const Node* maker = conv == nullptr ? nullptr : producer_of(graph, node.inputs[1]);
  const bool is_reshaped = maker != nullptr && is_any<op::Reshape>(*maker);
  if (is_reshaped) maker = producer_of(graph, maker->inputs[0]);
  const auto* const order =
      maker == nullptr ? nullptr : std::get_if<op::Transpose>(&maker->attributes);
  if (order == nullptr || order->order != kOutputsFirst) return kNoValue;
  const Weight* const weight = graph.weight_of(maker->inputs[0]);
  // Without a Reshape the last axis counts the inputs of a group.
  const bool is_depthwise = weight != nullptr && weight->shape.size() == 4 &&
                            conv->group == weight->shape[2] &&
                            (is_reshaped || weight->shape[3] == 1);
  return is_depthwise ? maker->inputs[0] : kNoValue;
}

std::vector<LinearLayer> linear_layers(const Graph& graph) { return LinearFinder(graph).run(); }

}  // namespace narrow
