// Each step of the graph, in order, becomes steps over buffers:
// - a unit with batch norm: the convolution into conv_output, then the statistics of its batch
// norm;
//   then the norm (and activation) into the unit's value, in one go with the sum when there is an
//   addend; without convolution the norm reads the unit's input;
// - another unit: the convolution into its value, then biases, sum and activation over it;
// - a pool with its workspace, and the other nodes.
// What TrainableGraph::merged names makes no value: the sum that reads it applies the norm of the
// shortcut, or picks its pixels, on the way. A value needs a gradient when something below it is
// trained, which is found out on the same walk.
#include "nn/training/forward_pass.h"

#include <algorithm>
#include <variant>

#include "nn/training/normalization/local_response.h"

namespace narrow {
namespace {

CodeInterval codes_of_type(const Graph& graph, const Node& node) {
  const auto producer = static_cast<std::size_t>(graph.producer(node.inputs[0]));
  const auto& quantize = std::get<op::QuantizeLinear>(graph.nodes[producer].attributes);
  const IntegerRange range = *integer_range(quantize.to, quantize.small);
  return {static_cast<int>(range.least), static_cast<int>(range.greatest)};
}

}  // namespace

ForwardPass::ForwardPass(const TrainableGraph& graph, const TrainingOptions& options,
                         TrainingVariables& variables, StepList& steps)
    : graph_(graph),
      options_(options),
      variables_(variables),
      steps_(steps),
      buffers_(graph.graph().values.size(), StepList::kNone),
      needs_gradient_(graph.graph().values.size(), false) {
  for (const TrainingStep& step : graph.steps()) add(step);
}

std::size_t ForwardPass::float_count(ValueId id) const {
  return static_cast<std::size_t>(images()) * graph_.size(id).floats();
}

int ForwardPass::new_value(ValueId id) {
  return buffers_[static_cast<std::size_t>(id)] = new_buffer(id);
}

void ForwardPass::add(const TrainingStep& step) {
  bool trained = false;
  for (const ValueId id : graph_.inputs(step)) trained = trained || needs_gradient(id);
  if (step.unit != nullptr) {
    add_unit(*step.unit);
    trained = trained || placed(*step.unit).is_trained;
  } else if (graph_.merged(step.output()) == nullptr) {
    add_node(*step.node);
    if (is_any<op::DequantizeLinear>(*step.node)) {
      trained = trained || learned(*step.node).is_trained();
    }
  }
  needs_gradient_[static_cast<std::size_t>(step.output())] = trained;
}

void ForwardPass::add_unit(const TrainingUnit& unit) {
  units_.push_back(std::make_unique<PlacedUnit>(unit, graph_, options_, variables_, sums_));
  PlacedUnit& now = *units_.back();
  places_[&unit] = &now;
  now.passes_gradient_on = needs_gradient(unit.input);
  if (!now.norm) {
    add_plain(now);
    return;
  }
  add_conv(now);
  if (unit.addend != kNoValue) {
    add_sum(now);
  } else if (graph_.merged(unit.output) == nullptr) {
    add_norm(now);
  }
}

void ForwardPass::add_conv(PlacedUnit& unit) {
  const int x = buffer(unit.view.input);
  if (unit.conv == nullptr) {
    unit.conv_output = x;
    steps_.add({x}, [=, &unit, this] { unit.norm->prepare(values(x)); });
    return;
  }
  const int y = unit.conv_output = new_buffer(unit.view.output);
  const int scratch = steps_.new_buffer(unit.conv->scratch_bytes());
  steps_.add({x, y, scratch}, [=, &unit, this] {
    unit.conv->forward(values(x), unit.weights, steps_.floats(y), steps_.bytes(scratch));
    unit.norm->prepare(steps_.floats(y));
  });
}

void ForwardPass::add_norm(const PlacedUnit& unit) {
  const int x = unit.conv_output;
  const int y = new_value(unit.view.output);
  steps_.add({x, y}, [=, &unit, this] { unit.norm->forward(values(x), steps_.floats(y)); });
}

void ForwardPass::add_sum(const PlacedUnit& unit) {
  const int x = unit.conv_output;
  const int y = new_value(unit.view.output);
  const ValueSize size = graph_.size(unit.view.output);
  const Addend addend = addend_of(unit.view);
  steps_.add({x, addend.buffer, y}, [=, &unit, this] {
    const Shortcut shortcut{values(addend.buffer), addend.norm, addend.stride, addend.size.height,
                            addend.size.width};
    unit.norm->forward_sum(values(x), shortcut, size.height, size.width, steps_.floats(y));
  });
}

void ForwardPass::add_plain(const PlacedUnit& unit) {
  const int x = buffer(unit.view.input);
  const int y = new_value(unit.view.output);
  if (unit.conv != nullptr) {
    const int scratch = steps_.new_buffer(unit.conv->scratch_bytes());
    steps_.add({x, y, scratch}, [=, &unit, this] {
      unit.conv->forward(values(x), unit.weights, steps_.floats(y), steps_.bytes(scratch));
    });
  }
  if (!unit.plain) return;
  const bool has_addend = unit.view.addend != kNoValue;
  const int addend = has_addend ? buffer(unit.view.addend) : StepList::kNone;
  const int from = unit.conv != nullptr ? y : x;
  steps_.add({from, addend, y}, [=, &unit, this] {
    unit.plain->forward(values(from), has_addend ? values(addend) : nullptr, steps_.floats(y));
  });
}

ForwardPass::Addend ForwardPass::addend_of(const TrainingUnit& unit) const {
  const TrainingStep* const merged = graph_.merged(unit.addend);
  if (merged == nullptr) {
    return {buffer(unit.addend), nullptr, 1, graph_.size(unit.addend)};
  }
  if (merged->unit != nullptr) {
    const PlacedUnit& added = placed(*merged->unit);
    return {added.conv_output, &*added.norm, 1, graph_.size(unit.addend)};
  }
  const ValueId x = graph_.input(*merged->node);
  const Window& window = std::get<op::MaxPool>(merged->node->attributes).window;
  return {buffer(x), nullptr, static_cast<int>(window.strides[0]), graph_.size(x)};
}

void ForwardPass::add_node(const Node& node) {
  if (const auto* const pool = std::get_if<op::MaxPool>(&node.attributes)) {
    add_pool(node, PoolKind::kMax, pool->window, pool->ceil_mode);
  } else if (const auto* const mean = std::get_if<op::AveragePool>(&node.attributes)) {
    add_pool(node, PoolKind::kMean, mean->window, mean->ceil_mode);
  } else if (is_any<op::GlobalAveragePool>(node)) {
    add_mean(node);
  } else if (is_any<op::Concat>(node)) {
    add_concat(node);
  } else if (is_any<op::LocalResponseNormalization>(node)) {
    add_lrn(node);
  } else if (is_any<op::Dropout>(node)) {
    add_dropout(node);
  } else if (is_any<op::DequantizeLinear>(node)) {
    add_quantizer(node);
  } else {
    add_scaling(node);
  }
}

void ForwardPass::add_pool(const Node& node, PoolKind kind, const Window& window, bool ceil_mode) {
  const ValueId input = graph_.input(node);
  const ValueSize size = graph_.size(input);
  const WindowPooling pooling(kind, pool_geometry(window, ceil_mode, size.height, size.width),
                              images(), size.channels, needs_gradient(input));
  PlacedPool& pool = pools_.emplace(node.output(), PlacedPool{pooling}).first->second;
  const int x = buffer(input);
  const int y = new_value(node.output());
  const int workspace = pool.workspace = steps_.new_buffer(pool.pooling.workspace_bytes());
  const int scratch = steps_.new_buffer(pool.pooling.scratch_bytes());
  steps_.add({x, y, workspace, scratch}, [=, &pool, this] {
    pool.pooling.forward(values(x), steps_.floats(y), steps_.bytes(workspace),
                         steps_.bytes(scratch));
  });
}

void ForwardPass::add_mean(const Node& node) {
  const ValueSize size = graph_.size(graph_.input(node));
  const int x = buffer(graph_.input(node));
  const int y = new_value(node.output());
  steps_.add({x, y}, [=, this] {
    mean_of_pixels(values(x), images(), static_cast<std::int64_t>(size.pixels()), size.channels,
                   steps_.floats(y));
  });
}

ChannelSlice ForwardPass::slice(const Node& node, std::size_t index) const {
  const ValueSize whole = graph_.size(node.output());
  ChannelSlice slice;
  slice.rows = static_cast<std::size_t>(images()) * whole.pixels();
  slice.all_channels = static_cast<std::size_t>(whole.channels);
  const auto width = [&](std::size_t i) {
    return static_cast<std::size_t>(graph_.size(graph_.input(node, i)).channels);
  };
  for (std::size_t i = 0; i < index; ++i) slice.first += width(i);
  slice.width = width(index);
  return slice;
}

void ForwardPass::add_concat(const Node& node) {
  const int y = new_value(node.output());
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const int x = buffer(graph_.input(node, i));
    steps_.add({x, y}, [=, part = slice(node, i), this] {
      write_slice(part, values(x), steps_.floats(y));
    });
  }
}

void ForwardPass::add_lrn(const Node& node) {
  const LocalResponse lrn(std::get<op::LocalResponseNormalization>(node.attributes),
                          graph_.size(node.output()).channels);
  const std::size_t rows = static_cast<std::size_t>(images()) * graph_.size(node.output()).pixels();
  const int x = buffer(graph_.input(node));
  const int y = new_value(node.output());
  steps_.add({x, y}, [=, this] { lrn.forward(values(x), rows, steps_.floats(y)); });
}

void ForwardPass::add_scaling(const Node& node) {
  const auto factor = static_cast<float>(constant_factor(graph_.graph(), node));
  const std::size_t count = float_count(node.output());
  const int x = buffer(graph_.input(node));
  const int y = new_value(node.output());
  steps_.add({x, y}, [=, this] { scale_values(values(x), count, factor, steps_.floats(y)); });
}

DropoutMask ForwardPass::dropout(const Node& node) const {
  const double ratio = options_.dropout_keep_prob ? 1 - *options_.dropout_keep_prob
                                                  : dropout_ratio(graph_.graph(), node);
  return {options_.seed, node.name, ratio};
}

void ForwardPass::add_dropout(const Node& node) {
  const std::size_t count = float_count(node.output());
  const int x = buffer(graph_.input(node));
  const int y = new_value(node.output());
  steps_.add({x, y}, [=, mask = dropout(node), this] {
    drop_values(mask, step_, values(x), count, steps_.floats(y));
  });
}

void ForwardPass::add_quantizer(const Node& node) {
  const std::string& name = scale_name(graph_.graph(), node);
  const std::size_t count = float_count(node.output());
  const auto given = options_.code_ranges.find(name);
  const CodeInterval codes =
      given != options_.code_ranges.end() ? given->second : codes_of_type(graph_.graph(), node);
  LearnedStep& step =
      learned_.try_emplace(name, codes, variables_.used(name), variables_.gradient(name))
          .first->second;
  step.add_use(graph_.size(node.output()).floats());
  const int x = buffer(graph_.input(node));
  const int y = new_value(node.output());
  steps_.add({x, y}, [=, this, &name, &step] {
    if (observer_ == nullptr) return step.forward(values(x), count, steps_.floats(y));
    (*observer_)(name, {values(x), count});
    std::copy_n(values(x), count, steps_.floats(y));
  });
}

}  // namespace narrow
