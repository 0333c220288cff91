#include "model/image_classifier.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "graph/dimension_math.h"
#include "graph/prune_graph.h"
#include "graph/rules/batch_axis.h"
#include "graph/shapes.h"
#include "graph/widen_halves.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::int64_t kChannels = 3;
constexpr std::int64_t kMostClasses = 1 << 20;
constexpr std::int64_t kMostOutputs = 1 << 26;

std::optional<ImageInput> find_image_input(const Graph& graph) {
  if (graph.inputs.size() != 1) return std::nullopt;
  const Value& input = graph.value(graph.inputs.front());
  const Dimensions& sizes = input.dimensions;
  if (input.type != DType::kFloat32 || sizes.size() != 4) return std::nullopt;
  if (sizes[1] == Dimension(kChannels)) return ImageInput{false, sizes[0], sizes[2], sizes[3]};
  if (sizes[3] == Dimension(kChannels)) return ImageInput{true, sizes[0], sizes[1], sizes[2]};
  return std::nullopt;
}

Value& value_at(Graph& graph, ValueId id) { return graph.values[static_cast<std::size_t>(id)]; }

// Of the input, with so many examples.
std::vector<Dimensions> images(const Graph& graph, const Dimension& examples, int height,
                               int width) {
  const ImageInput input = image_input(graph);
  Dimensions dimensions = {examples, kChannels, height, width};
  if (input.channels_last) dimensions = {examples, height, width, kChannels};
  return {dimensions};
}

// The first output that is float32[N, classes]; kNoValue without one.
ValueId find_classes(const Graph& graph, const FactTable& facts) {
  const auto found = std::ranges::find_if(graph.outputs, [&](ValueId id) {
    const Fact& fact = facts[static_cast<std::size_t>(id)];
    return fact.type == DType::kFloat32 && fact.dimensions.size() == 2 &&
           !fact.dimensions[1].is_free() && fact.dimensions[1].size >= 1 &&
           fact.dimensions[1].size <= kMostClasses;
  });
  return found == graph.outputs.end() ? kNoValue : *found;
}

std::string outputs_text(const Graph& graph, const FactTable& facts) {
  std::vector<std::string> found;
  for (const ValueId id : graph.outputs) {
    const Fact& fact = facts[static_cast<std::size_t>(id)];
    found.push_back(fmt::format("{} {}{}", graph.value(id).name, to_string(fact.type),
                                to_string(fact.dimensions)));
  }
  return fmt::format("{}", fmt::join(found, ", "));
}

ValueId classes_of(const Graph& graph, const FactTable& facts) {
  const ValueId found = find_classes(graph, facts);
  if (found != kNoValue) return found;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("no output of {} is float32[N, classes]; there are {}", graph.name,
                          outputs_text(graph, facts)));
}

// Leaves the outputs of real numbers; returns how many of these there are for an example.
std::int64_t keep_real_outputs(Graph& graph, const FactTable& facts) {
  const auto fact = [&](ValueId id) -> const Fact& { return facts[static_cast<std::size_t>(id)]; };
  const std::string found = outputs_text(graph, facts);
  std::erase_if(graph.outputs, [&](ValueId id) { return !is_floating_point(fact(id).type); });
  Dimension count = 0;
  for (const ValueId id : graph.outputs) count = sum(count, product(fact(id).dimensions));
  if (count.is_free() || count.size < 1 || count.size > kMostOutputs) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the outputs of {} cannot be compared: {}; expected 1 to {} real "
                            "numbers of known sizes for an example",
                            graph.name, found, kMostOutputs));
  }
  return count.size;
}

// What the softmax over the classes that makes the value is computed from.
ValueId before_softmax(const Graph& graph, ValueId id) {
  const int producer = graph.producer(id);
  if (producer < 0) return id;
  const Node& node = graph.nodes[static_cast<std::size_t>(producer)];
  const auto* const softmax = std::get_if<op::Softmax>(&node.attributes);
  const bool is_over_classes = softmax != nullptr && (softmax->axis == 1 || softmax->axis == -1);
  return is_over_classes ? node.inputs.front() : id;
}

// Whether one example says nothing about another.
bool are_independent(const Graph& graph) {
  try {
    return !mixed_examples(graph).has_value();
  } catch (const Error&) {
    return false;  // some size in it fits one number of examples only
  }
}

}  // namespace

bool takes_images(const Graph& graph) { return find_image_input(graph).has_value(); }

ImageInput image_input(const Graph& graph) {
  if (const auto input = find_image_input(graph)) return *input;
  std::vector<std::string> found;
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    found.push_back(
        fmt::format("{} {}{}", value.name, to_string(value.type), to_string(value.dimensions)));
  }
  if (found.empty()) found.emplace_back("nothing");
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} takes {}, expected images: float32[N, 3, height, width] or "
                          "float32[N, height, width, 3]",
                          graph.name, fmt::join(found, ", ")));
}

ImageClassifier image_classifier(Graph graph, int height, int width) {
  const ImageInput input = image_input(graph);
  if (!input.examples.is_free() && input.examples.size != 1) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} takes {} examples at once, expected one or any number", graph.name,
                            input.examples.size));
  }
  const FactTable facts = infer_facts(graph, images(graph, 1, height, width));
  const ValueId classes = classes_of(graph, facts);
  const std::int64_t count = facts[static_cast<std::size_t>(classes)].dimensions[1].size;
  graph.outputs = {before_softmax(graph, classes)};
  // A name that no other size can have.
  Dimensions& sizes = value_at(graph, graph.inputs.front()).dimensions;
  sizes = images(graph, Dimension::free("examples of " + graph.name), height, width).front();
  const bool one_by_one = !are_independent(graph);
  if (one_by_one) sizes.front() = 1;
  remove_unused(graph);
  check(graph);
  return {std::move(graph), input.channels_last, static_cast<int>(count), one_by_one};
}

ArrayClassifier array_classifier(Graph graph, const std::vector<Shape>& shapes) {
  std::vector<Dimensions> one;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Value& input = graph.value(graph.inputs[i]);
    one.emplace_back(shapes[i].begin(), shapes[i].end());
    const Dimension& declared = input.dimensions.front();
    if (declared.is_free() || declared.size == 1) continue;
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the input {} of {} takes {} examples at once, expected one or any "
                            "number",
                            input.name, graph.name, declared.size));
  }
  if (has_halves(graph)) graph = widen_halves(std::move(graph));
  const FactTable facts = infer_facts(graph, one);
  ArrayClassifier classifier;
  const ValueId classes = find_classes(graph, facts);
  classifier.has_classes = classes != kNoValue;
  std::int64_t outputs = 0;
  if (classifier.has_classes) {
    outputs = facts[static_cast<std::size_t>(classes)].dimensions[1].size;
    graph.outputs = {before_softmax(graph, classes)};
  } else {
    outputs = keep_real_outputs(graph, facts);
  }
  classifier.outputs = static_cast<int>(outputs);
  const Dimension examples = Dimension::free("examples of " + graph.name);
  for (std::size_t i = 0; i < one.size(); ++i) {
    one[i].front() = examples;
    value_at(graph, graph.inputs[i]).dimensions = one[i];
  }
  remove_unused(graph);
  check(graph);
  classifier.graph = std::move(graph);
  return classifier;
}

}  // namespace narrow
