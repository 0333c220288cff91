// The steps of the graph in reverse, as far as their results need a gradient. gradients_ has for
// each value the buffer with the sum so far: the first reader's share becomes that buffer, others
// are added, by the convolution itself where it can. A unit goes through
// 1. sum, activation and norm: the gradient of conv_output, written over conv_output (or over the
//    gradient), and that of gamma and beta; the addend takes over the gradient that is left;
// 2. the gradients of the weights;
// 3. the gradient of the input, if that needs one;
// 4. finish_variables, the last reader of the weights: the optimizer may change them there.
#include "nn/training/backward_pass.h"

#include <cstddef>
#include <cstdint>
#include <variant>

#include "nn/training/normalization/local_response.h"

namespace narrow {

BackwardPass::BackwardPass(const TrainableGraph& graph, ForwardPass& forward,
                           TrainingVariables& variables, StepList& steps)
    : graph_(graph),
      forward_(forward),
      variables_(variables),
      steps_(steps),
      gradients_(graph.graph().values.size(), StepList::kNone) {}

void BackwardPass::add() {
  const std::vector<TrainingStep>& steps = graph_.steps();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const ValueId id = step->output();
    if (forward_.needs_gradient(id) && graph_.merged(id) == nullptr) add(*step);
  }
}

void BackwardPass::add(const TrainingStep& step) {
  const int gradient = gradient_of(step.output());
  if (step.unit != nullptr) {
    add_unit(forward_.placed(*step.unit), gradient);
  } else {
    add_node(*step.node, gradient);
  }
}

void BackwardPass::add_unit(PlacedUnit& unit, int gradient) {
  if (!unit.norm) {
    add_plain(unit, gradient);
  } else if (unit.view.addend != kNoValue) {
    add_sum(unit, gradient);
    add_conv(unit, unit.conv_output);
  } else {
    add_norm(unit, gradient);
    add_conv(unit, gradient);
  }
}

void BackwardPass::add_plain(PlacedUnit& unit, int gradient) {
  if (unit.plain && unit.plain->has_backward()) {
    const int y = forward_.buffer(unit.view.output);
    steps_.add({y, gradient}, [=, &unit, this] {
      unit.plain->backward(steps_.floats(y), steps_.floats(gradient));
    });
  }
  const ValueId addend = unit.view.addend;
  const bool passes_to_addend = addend != kNoValue && forward_.needs_gradient(addend);
  if (unit.conv != nullptr || !passes_to_addend) {
    add_conv(unit, gradient);
  } else if (unit.passes_gradient_on) {
    share(unit.view.input, gradient);
  }
  if (passes_to_addend) pass_on(addend, gradient);
}

void BackwardPass::add_sum(PlacedUnit& unit, int gradient) {
  const int x = unit.conv_output;
  const int y = forward_.buffer(unit.view.output);
  // The gradient of the convolution's output takes the place of the output.
  steps_.add({x, y, gradient}, [=, &unit, this] {
    unit.norm->backward_sum(steps_.floats(x), steps_.floats(y), steps_.floats(gradient),
                            unit.needs_inner_gradient() ? steps_.floats(x) : nullptr);
  });
  if (forward_.needs_gradient(unit.view.addend)) add_addend(unit.view.addend, gradient);
}

// The sum has made its gradient that of the addend.
void BackwardPass::add_addend(ValueId addend, int gradient) {
  const TrainingStep* const merged = graph_.merged(addend);
  if (merged == nullptr) {
    pass_on(addend, gradient);
  } else if (merged->unit != nullptr) {
    add_unit(forward_.placed(*merged->unit), gradient);
  } else {
    add_subsampling(*merged->node, gradient);
  }
}

void BackwardPass::add_norm(PlacedUnit& unit, int gradient) {
  const int x = unit.conv_output;
  steps_.add({x, gradient}, [=, &unit, this] {
    unit.norm->backward(forward_.values(x), steps_.floats(gradient),
                        unit.needs_inner_gradient() ? steps_.floats(gradient) : nullptr);
  });
}

// Of a unit without linear operator only what comes before and after it.
void BackwardPass::add_conv(const PlacedUnit& unit, int gradient) {
  if (unit.weight_gradients != nullptr) {
    const int x = forward_.buffer(unit.view.input);
    const int scratch = steps_.new_buffer(unit.conv->scratch_bytes());
    steps_.add({x, gradient, scratch}, [=, &unit, this] {
      unit.conv->backward_weights(forward_.values(x), steps_.floats(gradient),
                                  unit.weight_gradients, steps_.bytes(scratch));
    });
  }
  if (unit.passes_gradient_on) {
    if (unit.conv != nullptr) {
      add_conv_data(unit, gradient);
    } else {
      pass_on(unit.view.input, gradient);
    }
  }
  steps_.add({}, [&unit, this] { finish_variables(unit.view); });
}

void BackwardPass::add_conv_data(const PlacedUnit& unit, int gradient) {
  const int sum = gradient_of(unit.view.input);
  const bool add = sum != StepList::kNone && unit.conv->can_add();
  const int result = add ? sum : forward_.new_buffer(unit.view.input);
  const int scratch = steps_.new_buffer(unit.conv->scratch_bytes());
  steps_.add({gradient, result, scratch}, [=, &unit, this] {
    unit.conv->backward_data(steps_.floats(gradient), unit.weights, steps_.floats(result), add,
                             steps_.bytes(scratch));
  });
  if (!add) pass_on(unit.view.input, result);
}

void BackwardPass::finish_variables(const TrainingUnit& unit) {
  if (unit.linear) variables_.finish(unit.linear->weights);
  if (unit.bias) variables_.finish(*unit.bias);
  if (!unit.norm) return;
  if (unit.norm->gamma) variables_.finish(*unit.norm->gamma);
  variables_.finish(unit.norm->beta);
}

void BackwardPass::add_node(const Node& node, int gradient) {
  if (is_any<op::MaxPool, op::AveragePool>(node)) {
    add_pool(node, gradient);
  } else if (is_any<op::GlobalAveragePool>(node)) {
    add_mean(node, gradient);
  } else if (is_any<op::Concat>(node)) {
    add_concat(node, gradient);
  } else if (is_any<op::LocalResponseNormalization>(node)) {
    add_lrn(node, gradient);
  } else if (is_any<op::Dropout>(node)) {
    add_dropout(node, gradient);
  } else if (is_any<op::DequantizeLinear>(node)) {
    add_quantizer(node, gradient);
  } else {
    add_scaling(node, gradient);
  }
}

void BackwardPass::add_subsampling(const Node& node, int gradient) {
  const ValueId x = graph_.input(node);
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

void BackwardPass::add_pool(const Node& node, int gradient) {
  const PlacedPool& pool = forward_.pool(node);
  const int result = forward_.new_buffer(graph_.input(node));
  const int scratch = steps_.new_buffer(pool.pooling.scratch_bytes());
  steps_.add({gradient, result, pool.workspace, scratch}, [=, &pool, this] {
    pool.pooling.backward(steps_.floats(gradient), steps_.floats(result),
                          steps_.bytes(pool.workspace), steps_.bytes(scratch));
  });
  pass_on(graph_.input(node), result);
}

void BackwardPass::add_mean(const Node& node, int gradient) {
  const ValueId x = graph_.input(node);
  const ValueSize size = graph_.size(x);
  const int result = forward_.new_buffer(x);
  steps_.add({gradient, result}, [=, this] {
    mean_of_pixels_backward(steps_.floats(gradient), forward_.images(),
                            static_cast<std::int64_t>(size.pixels()), size.channels,
                            steps_.floats(result));
  });
  pass_on(x, result);
}

void BackwardPass::add_concat(const Node& node, int gradient) {
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId x = graph_.input(node, i);
    if (!forward_.needs_gradient(x)) continue;
    const bool add = gradient_of(x) != StepList::kNone;
    if (!add) gradient_of(x) = forward_.new_buffer(x);
    const int result = gradient_of(x);
    steps_.add({gradient, result}, [=, part = forward_.slice(node, i), this] {
      read_slice(part, steps_.floats(gradient), add, steps_.floats(result));
    });
  }
}

void BackwardPass::add_lrn(const Node& node, int gradient) {
  const ValueId input = graph_.input(node);
  const ValueSize size = graph_.size(input);
  const LocalResponse lrn(std::get<op::LocalResponseNormalization>(node.attributes), size.channels);
  const std::size_t rows = static_cast<std::size_t>(forward_.images()) * size.pixels();
  const int x = forward_.buffer(input);
  const int result = forward_.new_buffer(input);
  steps_.add({x, gradient, result}, [=, this] {
    lrn.backward(forward_.values(x), steps_.floats(gradient), rows, steps_.floats(result));
  });
  pass_on(input, result);
}

void BackwardPass::add_scaling(const Node& node, int gradient) {
  const auto factor = static_cast<float>(constant_factor(graph_.graph(), node));
  const std::size_t count = forward_.float_count(node.output());
  steps_.add({gradient}, [=, this] {
    scale_values(steps_.floats(gradient), count, factor, steps_.floats(gradient));
  });
  pass_on(graph_.input(node), gradient);
}

void BackwardPass::add_dropout(const Node& node, int gradient) {
  const std::size_t count = forward_.float_count(node.output());
  steps_.add({gradient}, [=, mask = forward_.dropout(node), this] {
    drop_values(mask, forward_.step(), steps_.floats(gradient), count, steps_.floats(gradient));
  });
  pass_on(graph_.input(node), gradient);
}

void BackwardPass::add_quantizer(const Node& node, int gradient) {
  LearnedStep& step = forward_.learned(node);
  const std::string& name = scale_name(graph_.graph(), node);
  const int use = ++quantized_[name];
  const bool is_first = use == 1;
  const ValueId input = graph_.input(node);
  const std::size_t count = forward_.float_count(input);
  const int x = forward_.buffer(input);
  steps_.add({x, gradient}, [=, this, &name, &step] {
    if (is_first) step.begin();
    step.backward(forward_.values(x), count, steps_.floats(gradient));
    const bool is_last = use == quantized_.at(name);
    if (!is_last || !step.is_trained()) return;
    step.finish();
    variables_.finish(name);
  });
  if (forward_.needs_gradient(input)) pass_on(input, gradient);
}

void BackwardPass::share(ValueId id, int buffer) {
  const std::size_t count = forward_.float_count(id);
  if (gradient_of(id) != StepList::kNone) {
    pass_on(id, buffer);
    return;
  }
  const int copy = gradient_of(id) = forward_.new_buffer(id);
  steps_.add({buffer, copy},
             [=, this] { scale_values(steps_.floats(buffer), count, 1, steps_.floats(copy)); });
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
