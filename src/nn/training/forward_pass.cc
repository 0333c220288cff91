// Each step of the graph, in order, becomes steps over buffers:
// - a layer: the convolution into conv_output, then the statistics of its batch norm; then the norm
//   (and ReLU) into the layer's value, in one go with the sum when there is an addend;
// - a MaxPool with its workspace, and a GlobalAveragePool.
// What TrainableGraph::merged names makes no value: the sum that reads it applies the norm of the
// shortcut, or picks its pixels, on the way. A value needs a gradient when something below it is
// trained, which is found out on the same walk.
#include "nn/training/forward_pass.h"

#include <cstdint>
#include <variant>

namespace narrow {

ForwardPass::ForwardPass(const TrainableGraph& graph, const TrainingOptions& options,
                         TrainingVariables& variables, StepList& steps)
    : graph_(graph),
      image_count_(options.batch_size),
      steps_(steps),
      buffers_(graph.graph().values.size(), StepList::kNone),
      needs_gradient_(graph.graph().values.size(), false) {
  make_layers(options, variables);
  for (const GraphStep& step : graph.steps()) add(step);
}

void ForwardPass::make_layers(const TrainingOptions& options, TrainingVariables& variables) {
  for (const Layer& layer : graph_.layers()) {
    if (&layer == &graph_.output()) continue;
    const ValueSize size = graph_.size(layer.input);
    layers_.push_back(std::make_unique<TrainingLayer>(
        layer, conv_geometry(layer, image_count_, size.height, size.width), options.batch_norm,
        variables, sums_));
  }
}

TrainingLayer& ForwardPass::placed(const Layer& layer) const {
  // The output layer, which reads what the others give, is the last.
  return *layers_[static_cast<std::size_t>(&layer - graph_.layers().data())];
}

std::size_t ForwardPass::float_count(ValueId id) const {
  return static_cast<std::size_t>(image_count_) * graph_.size(id).floats();
}

int ForwardPass::new_value(ValueId id) {
  return buffers_[static_cast<std::size_t>(id)] = new_buffer(id);
}

void ForwardPass::add(const GraphStep& step) {
  bool trained = false;
  for (const ValueId id : step.inputs(graph_.graph())) trained = trained || needs_gradient(id);
  if (step.layer != nullptr) {
    add_layer(*step.layer);
    trained = trained || placed(*step.layer).is_trained;
  } else if (std::holds_alternative<op::GlobalAveragePool>(step.node->attributes)) {
    add_mean(*step.node);
  } else if (graph_.merged(step.output()) == nullptr) {
    add_max_pool(*step.node);
  }
  needs_gradient_[static_cast<std::size_t>(step.output())] = trained;
}

void ForwardPass::add_layer(const Layer& layer) {
  TrainingLayer& now = placed(layer);
  now.passes_gradient_on = needs_gradient(layer.input);
  add_conv(now);
  if (layer.addend != kNoValue) {
    add_sum(now);
  } else if (graph_.merged(layer.output) == nullptr) {
    add_norm(now);
  }
}

void ForwardPass::add_conv(TrainingLayer& layer) {
  const int x = buffer(layer.view.input);
  const int y = layer.conv_output = new_buffer(layer.view.output);
  const int scratch = steps_.new_buffer(layer.conv->scratch_bytes());
  steps_.add({x, y, scratch}, [=, &layer, this] {
    layer.conv->forward(values(x), layer.weights, steps_.floats(y), steps_.bytes(scratch));
    layer.norm.prepare(steps_.floats(y));
  });
}

void ForwardPass::add_norm(const TrainingLayer& layer) {
  const int x = layer.conv_output;
  const int y = new_value(layer.view.output);
  steps_.add({x, y}, [=, &layer, this] { layer.norm.forward(values(x), steps_.floats(y)); });
}

void ForwardPass::add_sum(const TrainingLayer& layer) {
  const int x = layer.conv_output;
  const int y = new_value(layer.view.output);
  const ValueSize size = graph_.size(layer.view.output);
  const Addend addend = addend_of(layer.view);
  steps_.add({x, addend.buffer, y}, [=, &layer, this] {
    const Shortcut shortcut{values(addend.buffer), addend.norm, addend.stride, addend.size.height,
                            addend.size.width};
    layer.norm.forward_sum(values(x), shortcut, size.height, size.width, steps_.floats(y));
  });
}

ForwardPass::Addend ForwardPass::addend_of(const Layer& layer) const {
  const GraphStep* const merged = graph_.merged(layer.addend);
  if (merged == nullptr) {
    return {buffer(layer.addend), nullptr, 1, graph_.size(layer.addend)};
  }
  if (merged->layer != nullptr) {
    const TrainingLayer& added = placed(*merged->layer);
    return {added.conv_output, &added.norm, 1, graph_.size(layer.addend)};
  }
  const ValueId x = merged->node->inputs[0];
  const Window& window = std::get<op::MaxPool>(merged->node->attributes).window;
  return {buffer(x), nullptr, static_cast<int>(window.strides[0]), graph_.size(x)};
}

void ForwardPass::add_max_pool(const Node& node) {
  const ValueSize size = graph_.size(node.inputs[0]);
  const PoolGeometry geometry =
      pool_geometry(node.name, std::get<op::MaxPool>(node.attributes), size.height, size.width);
  const MaxPooling pooling(geometry, image_count_, size.channels, needs_gradient(node.inputs[0]));
  TrainingPool& pool = pools_.emplace(node.output(), TrainingPool{pooling}).first->second;
  const int x = buffer(node.inputs[0]);
  const int y = new_value(node.output());
  const int workspace = pool.workspace = steps_.new_buffer(pool.pooling.workspace_bytes());
  const int scratch = steps_.new_buffer(pool.pooling.scratch_bytes());
  steps_.add({x, y, workspace, scratch}, [=, &pool, this] {
    pool.pooling.forward(values(x), steps_.floats(y), steps_.bytes(workspace),
                         steps_.bytes(scratch));
  });
}

void ForwardPass::add_mean(const Node& node) {
  const ValueSize size = graph_.size(node.inputs[0]);
  const int x = buffer(node.inputs[0]);
  const int y = new_value(node.output());
  steps_.add({x, y}, [=, this] {
    mean_of_pixels(values(x), image_count_, static_cast<std::int64_t>(size.pixels()), size.channels,
                   steps_.floats(y));
  });
}

}  // namespace narrow
