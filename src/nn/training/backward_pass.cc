// The steps of the graph in reverse, as far as their results need a gradient. gradients_ has for
// each value the buffer with the sum so far: the first reader's share becomes that buffer, others
// are added, by the convolution itself where it can. A layer goes through
// 1. sum, ReLU and norm: the gradient of conv_output, written over conv_output (or over the
//    gradient), and that of gamma and beta; the addend takes over the gradient that is left;
// 2. the gradients of the weights;
// 3. the gradient of the input, if that needs one;
// 4. finish_variables, the last reader of the weights: the optimizer may change them there.
#include "nn/training/backward_pass.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "nn/onednn_support.h"

namespace narrow {
namespace {

constexpr std::size_t kAddedAtOnce = 16384;

void add_values(const float* values, std::size_t count, float* sums) {
  const auto pieces = static_cast<int>((count + kAddedAtOnce - 1) / kAddedAtOnce);
  onednn_parallel_for(pieces, [&](int piece) {
    const std::size_t first = static_cast<std::size_t>(piece) * kAddedAtOnce;
    const std::size_t last = std::min(first + kAddedAtOnce, count);
    for (std::size_t i = first; i < last; ++i) sums[i] += values[i];
  });
}

}  // namespace

BackwardPass::BackwardPass(const TrainableGraph& graph, ForwardPass& forward,
                           TrainingVariables& variables, StepList& steps)
    : graph_(graph),
      forward_(forward),
      variables_(variables),
      steps_(steps),
      gradients_(graph.graph().values.size(), StepList::kNone) {}

void BackwardPass::add(int feature_gradients) {
  gradient_of(graph_.output().input) = feature_gradients;
  const std::vector<GraphStep>& steps = graph_.steps();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const ValueId id = step->output();
    if (forward_.needs_gradient(id) && graph_.merged(id) == nullptr) add(*step);
  }
}

void BackwardPass::add(const GraphStep& step) {
  const int gradient = gradient_of(step.output());
  if (step.layer != nullptr) {
    add_layer(forward_.placed(*step.layer), gradient);
  } else if (std::holds_alternative<op::MaxPool>(step.node->attributes)) {
    add_max_pool(*step.node, gradient);
  } else {
    add_mean(*step.node, gradient);
  }
}

void BackwardPass::add_layer(TrainingLayer& layer, int gradient) {
  if (layer.view.addend != kNoValue) {
    add_sum(layer, gradient);
    add_conv(layer, layer.conv_output);
  } else {
    add_norm(layer, gradient);
    add_conv(layer, gradient);
  }
}

void BackwardPass::add_sum(TrainingLayer& layer, int gradient) {
  const int x = layer.conv_output;
  const int y = forward_.buffer(layer.view.output);
  // The gradient of the convolution's output takes the place of the output.
  steps_.add({x, y, gradient}, [=, &layer, this] {
    layer.norm.backward_sum(steps_.floats(x), steps_.floats(y), steps_.floats(gradient),
                            layer.needs_conv_gradient() ? steps_.floats(x) : nullptr);
  });
  if (forward_.needs_gradient(layer.view.addend)) add_addend(layer.view.addend, gradient);
}

// The sum has made its gradient that of the addend.
void BackwardPass::add_addend(ValueId addend, int gradient) {
  const GraphStep* const merged = graph_.merged(addend);
  if (merged == nullptr) {
    pass_on(addend, gradient);
  } else if (merged->layer != nullptr) {
    add_layer(forward_.placed(*merged->layer), gradient);
  } else {
    add_subsampling(*merged->node, gradient);
  }
}

void BackwardPass::add_norm(TrainingLayer& layer, int gradient) {
  const int x = layer.conv_output;
  steps_.add({x, gradient}, [=, &layer, this] {
    layer.norm.backward(steps_.floats(x), steps_.floats(gradient),
                        layer.needs_conv_gradient() ? steps_.floats(gradient) : nullptr);
  });
}

void BackwardPass::add_conv(const TrainingLayer& layer, int gradient) {
  if (layer.weight_gradients != nullptr) {
    const int x = forward_.buffer(layer.view.input);
    const int scratch = steps_.new_buffer(layer.conv->scratch_bytes());
    steps_.add({x, gradient, scratch}, [=, &layer, this] {
      layer.conv->backward_weights(forward_.values(x), steps_.floats(gradient),
                                   layer.weight_gradients, steps_.bytes(scratch));
    });
  }
  if (layer.passes_gradient_on) add_conv_data(layer, gradient);
  steps_.add({}, [&layer, this] { finish_variables(layer.view); });
}

void BackwardPass::add_conv_data(const TrainingLayer& layer, int gradient) {
  const int sum = gradient_of(layer.view.input);
  const bool add = sum != StepList::kNone && layer.conv->can_add();
  const int result = add ? sum : forward_.new_buffer(layer.view.input);
  const int scratch = steps_.new_buffer(layer.conv->scratch_bytes());
  steps_.add({gradient, result, scratch}, [=, &layer, this] {
    layer.conv->backward_data(steps_.floats(gradient), layer.weights, steps_.floats(result), add,
                              steps_.bytes(scratch));
  });
  if (!add) pass_on(layer.view.input, result);
}

void BackwardPass::finish_variables(const Layer& layer) {
  variables_.finish(layer.weights);
  variables_.finish(layer.norm->gamma);
  variables_.finish(layer.norm->beta);
}

void BackwardPass::add_subsampling(const Node& node, int gradient) {
  const ValueId x = node.inputs[0];
  const ValueSize in = graph_.size(x);
  const ValueSize out = graph_.size(node.output());
  const int result = forward_.new_buffer(x);
  const auto stride = static_cast<int>(std::get<op::MaxPool>(node.attributes).window.strides[0]);
  const Subsampling sampling{forward_.images(), in.height, in.width,   out.height,
                             out.width,         stride,    in.channels};
  steps_.add({gradient, result}, [=, this] {
    subsample_backward(sampling, steps_.floats(gradient), steps_.floats(result));
  });
  pass_on(x, result);
}

void BackwardPass::add_max_pool(const Node& node, int gradient) {
  const TrainingPool& pool = forward_.pool(node);
  const int result = forward_.new_buffer(node.inputs[0]);
  const int scratch = steps_.new_buffer(pool.pooling.scratch_bytes());
  steps_.add({gradient, result, pool.workspace, scratch}, [=, &pool, this] {
    pool.pooling.backward(steps_.floats(gradient), steps_.floats(result),
                          steps_.bytes(pool.workspace), steps_.bytes(scratch));
  });
  pass_on(node.inputs[0], result);
}

void BackwardPass::add_mean(const Node& node, int gradient) {
  const ValueSize size = graph_.size(node.inputs[0]);
  const int result = forward_.new_buffer(node.inputs[0]);
  steps_.add({gradient, result}, [=, this] {
    mean_of_pixels_backward(steps_.floats(gradient), forward_.images(),
                            static_cast<std::int64_t>(size.pixels()), size.channels,
                            steps_.floats(result));
  });
  pass_on(node.inputs[0], result);
}

void BackwardPass::pass_on(ValueId id, int buffer) {
  const int sum = gradient_of(id);
  if (sum == StepList::kNone) {
    gradient_of(id) = buffer;
    return;
  }
  const std::size_t count = forward_.float_count(id);
  steps_.add({buffer, sum},
             [=, this] { add_values(steps_.floats(buffer), count, steps_.floats(sum)); });
}

}  // namespace narrow
