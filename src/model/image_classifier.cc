#include "model/image_classifier.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "graph/prune_graph.h"
#include "graph/rules/batch_axis.h"
#include "graph/shapes.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::int64_t kChannels = 3;
constexpr std::int64_t kMostClasses = 1 << 20;
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

ValueId classes_of(const Graph& graph, const FactTable& facts) {
  std::vector<std::string> found;
  for (const ValueId id : graph.outputs) {
    const Fact& fact = facts[static_cast<std::size_t>(id)];
    const bool is_row = fact.type == DType::kFloat32 && fact.dimensions.size() == 2 &&
                        !fact.dimensions[1].is_free() && fact.dimensions[1].size >= 1 &&
                        fact.dimensions[1].size <= kMostClasses;
    if (is_row) return id;
    found.push_back(fmt::format("{} {}{}", graph.value(id).name, to_string(fact.type),
                                to_string(fact.dimensions)));
  }
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("no output of {} is float32[N, classes]; there are {}", graph.name,
                          fmt::join(found, ", ")));
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

}  // namespace narrow
