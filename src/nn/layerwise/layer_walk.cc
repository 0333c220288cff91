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

using Value = std::shared_ptr<const ActivationBatches>;

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

  void run(Value images) {
    at(graph_.inputs.at(0)) = std::move(images);
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const GraphStep& step = steps_[i];
      Value y = step.layer != nullptr ? run_layer(*step.layer, i) : run_node(*step.node);
      for (const ValueId id : step.inputs(graph_)) drop_after(id, i);
      at(step.output()) = std::move(y);
    }
  }

 private:
  Value& at(ValueId id) { return values_[static_cast<std::size_t>(id)]; }
  void drop_after(ValueId id, std::size_t step) {
    if (last_use_[static_cast<std::size_t>(id)] == step) at(id) = nullptr;
  }

  // make(batch) of all of them.
  template <typename Make>
  static std::shared_ptr<ActivationBatches> of_batches(const ActivationBatches& x,
                                                       const Make& make) {
    auto y = std::make_shared<ActivationBatches>(x.memory());
    for (std::size_t batch = 0; batch < x.size(); ++batch) y->add(make(batch));
    return y;
  }

  Value run_layer(const Layer& layer, std::size_t step) {
    Value x = at(layer.input);
    visitor_.on_input(layer, *x);
    Activations room;
    const auto z = of_batches(*x, [&](std::size_t batch) {
      return convolve(layer, weights_.values(layer.weights), x->at(batch, room));
    });
    visitor_.on_output(layer, *x, *z);
    const LayerValues values = layer_values(layer, weights_);
    const bool has_sum = layer.addend != kNoValue;
    x = nullptr;
    if (layer.input != layer.addend) drop_after(layer.input, step);
    return of_batches(*z, [&](std::size_t batch) {
      Activations y = z->take(batch);
      scale_and_shift(values.slope, values.offset, layer.relu && !has_sum, y);
      if (has_sum) add_to(at(layer.addend)->at(batch, room), layer.relu, y);
      return y;
    });
  }

  Value run_node(const Node& node) {
    const Value x = at(node.inputs[0]);
    Activations room;
    if (const auto* pool = std::get_if<op::MaxPool>(&node.attributes)) {
      const PoolGeometry geometry = pool_geometry(node.name, *pool, x->height(), x->width());
      return of_batches(*x,
                        [&](std::size_t batch) { return max_pool(x->at(batch, room), geometry); });
    }
    if (std::holds_alternative<op::GlobalAveragePool>(node.attributes)) {
      return of_batches(*x, [&](std::size_t batch) { return global_mean(x->at(batch, room)); });
    }
    if (std::holds_alternative<op::Flatten>(node.attributes) && x->height() * x->width() == 1) {
      return x;
    }
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} {} cannot be executed layer by layer yet", operator_of(node).name,
                            node.name));
  }

  const Graph& graph_;
  const Weights& weights_;
  LayerVisitor& visitor_;
  std::vector<GraphStep> steps_;
  std::vector<Value> values_;          // by ValueId; null before and after their time
  std::vector<std::size_t> last_use_;  // by ValueId: the step
};

}  // namespace

void walk_layers(const Graph& graph, const std::vector<Layer>& layers, const Weights& weights,
                 std::shared_ptr<const ActivationBatches> images, LayerVisitor& visitor) {
  Walk(graph, layers, weights, visitor).run(std::move(images));
}

}  // namespace narrow
