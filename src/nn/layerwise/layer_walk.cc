#include "nn/layerwise/layer_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "graph/matchers.h"
#include "graph/operators.h"
#include "narrow/error.h"
#include "nn/layerwise/layer_values.h"

namespace narrow {
namespace {

class Walk {
 public:
  Walk(const Graph& graph, const std::vector<Layer>& layers, const Weights& weights,
       LayerVisitor& visitor)
      : graph_(graph),
        weights_(weights),
        visitor_(visitor),
        steps_(graph_steps(graph, layers)),
        values_(graph.values.size()),
        last_use_(last_uses(graph, steps_)) {}

  void run(Activations images) {
    at(graph_.inputs.at(0)) = std::move(images);
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const GraphStep& step = steps_[i];
      Activations y = step.layer != nullptr ? run_layer(*step.layer, i) : run_node(*step.node, i);
      for (const ValueId id : step.inputs(graph_)) drop_after(id, i);
      at(step.output()) = std::move(y);
    }
  }

 private:
  Activations& at(ValueId id) { return values_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] bool is_last_use(ValueId id, std::size_t step) const {
    return last_use_[static_cast<std::size_t>(id)] == step;
  }
  void drop_after(ValueId id, std::size_t step) {
    if (is_last_use(id, step)) at(id) = {};
  }
  // The value, which is not needed any more if this is its last use.
  Activations take(ValueId id, std::size_t step) {
    return is_last_use(id, step) ? std::move(at(id)) : at(id);
  }

  Activations run_layer(const Layer& layer, std::size_t step) {
    const Activations& x = at(layer.input);
    visitor_.on_input(layer, x);
    Activations y = convolve(layer, weights_.values(layer.weights), x);
    visitor_.on_output(layer, x, y);
    const LayerValues values = layer_values(layer, weights_);
    const bool has_sum = layer.addend != kNoValue;
    scale_and_shift(values.slope, values.offset, layer.relu && !has_sum, y);
    if (!has_sum) return y;
    if (layer.input != layer.addend) drop_after(layer.input, step);
    Activations sum = take(layer.addend, step);
    add_to(y, layer.relu, sum);
    return sum;
  }

  Activations run_node(const Node& node, std::size_t step) {
    const ValueId x = node.inputs[0];
    if (const auto* pool = std::get_if<op::MaxPool>(&node.attributes)) {
      return max_pool(at(x), pool_geometry(node.name, *pool, at(x).height, at(x).width));
    }
    if (std::holds_alternative<op::GlobalAveragePool>(node.attributes)) {
      return global_mean(at(x));
    }
    if (std::holds_alternative<op::Flatten>(node.attributes) && at(x).height * at(x).width == 1) {
      return take(x, step);
    }
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} {} cannot be executed layer by layer yet", operator_of(node).name,
                            node.name));
  }

  const Graph& graph_;
  const Weights& weights_;
  LayerVisitor& visitor_;
  std::vector<GraphStep> steps_;
  std::vector<Activations> values_;    // by ValueId; empty before and after their time
  std::vector<std::size_t> last_use_;  // by ValueId: the step
};

}  // namespace

void walk_layers(const Graph& graph, const std::vector<Layer>& layers, const Weights& weights,
                 Activations images, LayerVisitor& visitor) {
  Walk(graph, layers, weights, visitor).run(std::move(images));
}

}  // namespace narrow
