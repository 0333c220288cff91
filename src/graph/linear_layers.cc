#include "graph/linear_layers.h"

#include <algorithm>

#include "graph/matchers.h"

namespace narrow {
namespace {

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
    const Weight* const kernel = own_weight(node.inputs[1]);
    if (kernel == nullptr || kernel->layout != WeightLayout::kAsUsed) return std::nullopt;
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

  static bool take_kind(const Node& node, const Weight& kernel, LinearLayer& layer) {
    if (element_count(kernel.shape) == 0) return false;
    if (const auto* conv = std::get_if<op::Conv>(&node.attributes)) {
      layer.window = conv->window;
      layer.groups = static_cast<std::size_t>(conv->group);
      layer.out_channels = static_cast<std::size_t>(kernel.shape.at(0));
      layer.columns = element_count(kernel.shape) / layer.out_channels;
      return true;
    }
    const auto* const gemm = std::get_if<op::Gemm>(&node.attributes);
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
      if (weight == nullptr || element_count(weight->shape) != layer.out_channels) return;
      names.push_back(weight->name);
    }
    layer.norm = LayerNorm{names[0], names[1], names[2], names[3], norm->epsilon};
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

std::vector<LinearLayer> linear_layers(const Graph& graph) { return LinearFinder(graph).run(); }

}  // namespace narrow
