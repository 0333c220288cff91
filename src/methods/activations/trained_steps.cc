#include "methods/activations/trained_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "graph/graph_edit.h"
#include "graph/matchers.h"
#include "graph/signs.h"
#include "methods/activations/quantizer_places.h"
#include "narrow/error.h"
#include "nn/integer/quantized_steps.h"

namespace narrow {
namespace {

constexpr std::string_view kHolder = "/activation_step/";

// By value: whether it cannot be below 0, by the operators that make it.
std::vector<bool> never_negative(const Graph& graph) {
  std::vector<bool> never(graph.values.size(), false);
  for (const Node& node : graph.nodes) {
    const bool has_none = gives_no_negative(graph, node, never);
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) never[static_cast<std::size_t>(id)] = has_none;
    }
  }
  return never;
}

// Whether the value is made by a node that moves values of the group, and nothing else.
bool is_moved(const Graph& graph, const QuantizerGroup& group, ValueId id) {
  const int producer = graph.producer(id);
  if (producer < 0) return false;
  const Node& node = graph.nodes[static_cast<std::size_t>(producer)];
  if (!only_moves(node)) return false;
  const auto is_in = [&](ValueId from) {
    return std::ranges::find(group.values, from) != group.values.end();
  };
  return is_any<op::Concat>(node) ? std::ranges::all_of(node.inputs, is_in) : is_in(node.inputs[0]);
}

}  // namespace

std::string TrainedStep::variable() const {
  return fmt::format("{}{}{}int{}", value, kHolder, is_signed ? "" : "u", bits);
}

CodeInterval TrainedStep::codes() const {
  if (is_signed) return {-(1 << (bits - 1)), (1 << (bits - 1)) - 1};
  return {0, (1 << bits) - 1};
}

ActivationFormat TrainedStep::format(float step, bool in_unsigned_type) const {
  const CodeInterval range = codes();
  const std::int64_t zero = in_unsigned_type ? -range.least : 0;
  return {scale_of_step(step), zero, type_of_codes(!in_unsigned_type, bits), range.least + zero,
          range.greatest + zero};
}

std::optional<TrainedStep> trained_step(std::string_view variable) {
  const std::size_t holder = variable.rfind(kHolder);
  if (holder == std::string_view::npos) return std::nullopt;
  TrainedStep step;
  step.value = variable.substr(0, holder);
  const std::size_t digits = variable.find_last_not_of("0123456789") + 1;
  std::from_chars(variable.data() + digits, variable.data() + variable.size(), step.bits);
  step.is_signed = variable.substr(holder + kHolder.size(), 1) == "i";
  if (step.bits < 2 || step.bits > 16 || step.variable() != variable) return std::nullopt;
  return step;
}

std::vector<ActivationFormat> trained_formats(const Graph& graph,
                                              const std::vector<QuantizerGroup>& groups,
                                              const std::map<std::string, float>& steps) {
  std::map<std::string, std::pair<TrainedStep, float>> by_value;
  bool any_unsigned = false;
  for (const auto& [variable, scale] : steps) {
    const std::optional<TrainedStep> step = trained_step(variable);
    if (!step) continue;
    any_unsigned = any_unsigned || !step->is_signed;
    by_value[step->value] = {*step, scale};
  }
  std::vector<ActivationFormat> formats;
  for (const QuantizerGroup& group : groups) {
    const auto has_step = [&](ValueId id) { return by_value.contains(graph.value(id).name); };
    const auto id = std::ranges::find_if(group.values, has_step);
    if (id == group.values.end()) {
      throw Error(
          ErrorCategory::kUsage,
          fmt::format("{} becomes codes, but was none in the training of {} such values, so "
                      "it has no scale: the steps are of another network",
                      graph.value(group.values.front()).name, by_value.size()));
    }
    const auto& [step, scale] = by_value.at(graph.value(*id).name);
    formats.push_back(step.format(scale, any_unsigned));
  }
  return formats;
}

std::vector<StepPlace> step_places(const Graph& network, const ActivationScheme& scheme,
                                   const std::vector<ActivationRule>& rules) {
  const std::vector<QuantizerGroup> groups = future_quantizer_groups(network);
  require_matches(network, groups, rules);
  const std::vector<bool> never = never_negative(network);
  std::vector<StepPlace> places;
  for (const QuantizerGroup& group : groups) {
    const ActivationScheme own = scheme_of(network, group, scheme, rules);
    if (own.kind == ActivationSchemeKind::kFixedPoint) {
      throw Error(ErrorCategory::kUsage,
                  "activations in training are affine or symmetric: steps that are learned are no "
                  "powers of two");
    }
    const bool is_unsigned = own.kind == ActivationSchemeKind::kAffine &&
                             std::ranges::all_of(group.values, [&](ValueId id) {
                               return never[static_cast<std::size_t>(id)];
                             });
    StepPlace& place = places.emplace_back();
    place.step = {network.value(group.values.front()).name, own.bits, !is_unsigned};
    for (const ValueId id : group.values) {
      if (!is_moved(network, group, id)) place.values.push_back(network.value(id).name);
    }
  }
  return places;
}

Graph with_steps(Graph graph, const std::vector<StepPlace>& places) {
  const std::size_t count = graph.values.size();
  std::vector<ValueId> scales;
  for (const StepPlace& place : places) {
    const std::string name = place.step.variable();
    scales.push_back(static_cast<ValueId>(graph.values.size()));
    Value& scale = graph.values.emplace_back();
    scale.name = name;
    scale.weight = static_cast<int>(graph.weights.size());
    graph.weights.push_back({name, {}, WeightLayout::kAsUsed, WeightRole::kOther});
  }
  GraphEdit edit(graph);
  std::vector<ValueId> by(count, kNoValue);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const TrainedStep& step = places[i].step;
    const op::QuantizeLinear quantize{type_of_codes(step.is_signed, step.bits)};
    for (const std::string& name : places[i].values) {
      const auto value = std::ranges::find(graph.values, name, &Value::name);
      const auto id = static_cast<ValueId>(value - graph.values.begin());
      if (value == graph.values.end() || static_cast<std::size_t>(id) >= count) {
        throw Error(ErrorCategory::kUnsupported,
                    fmt::format("{}: the network in training has no value {}", graph.name, name));
      }
      const int producer = graph.producer(id);
      const ValueId codes = edit.add_after(producer, name + "_codes", quantize, {id, scales[i]});
      by[static_cast<std::size_t>(id)] = edit.add_after(producer, name + "_dequantized",
                                                        op::DequantizeLinear{}, {codes, scales[i]});
    }
  }
  edit.read_instead(by);
  return edit.finish();
}

}  // namespace narrow
