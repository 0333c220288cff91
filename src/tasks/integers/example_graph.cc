#include "tasks/integers/example_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "narrow/error.h"
#include "nn/integer/integer_executor.h"

namespace narrow {
namespace {

GraphArray example_of(const GraphArray& array, std::size_t index) {
  GraphArray example = array;
  const std::size_t count = static_cast<std::size_t>(array.shape.front());
  const std::size_t size = array.bytes.size() / count;
  example.shape.front() = 1;
  example.bytes.assign(array.bytes.begin() + static_cast<std::ptrdiff_t>(index * size),
                       array.bytes.begin() + static_cast<std::ptrdiff_t>((index + 1) * size));
  return example;
}

void require_codes(const Graph& graph) {
  if (has_quantized_activations(graph)) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} is not computed from codes: no value between its operators is "
                          "quantized; quantize weights and activations of an ONNX file first",
                          graph.name));
}

void require_known_sizes(const Graph& graph, const Value& input) {
  const bool has_free = std::ranges::any_of(
      input.dimensions, [](const Dimension& dimension) { return dimension.is_free(); });
  if (!has_free) return;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("the input {} of {} is {}, whose sizes have to be known: give an array",
                          input.name, graph.name, to_string(input.dimensions)));
}

}  // namespace

ExampleGraph example_graph(const RunnableNetwork& network, std::span<const NamedArray> arrays) {
  require_codes(network.graph());
  ExampleGraph result;
  result.graph = network.graph();
  const auto input = [&](std::size_t i) -> Value& {
    return result.graph.values[static_cast<std::size_t>(result.graph.inputs[i])];
  };
  if (arrays.empty()) {
    for (std::size_t i = 0; i < result.graph.inputs.size(); ++i) {
      Dimensions& dimensions = input(i).dimensions;
      if (!dimensions.empty() && dimensions.front().is_free()) dimensions.front() = 1;
      require_known_sizes(result.graph, input(i));
    }
    return result;
  }
  const GraphArrays ordered = network.ordered(arrays);
  const bool is_split = network.takes_examples_apart(ordered);
  const std::size_t count =
      is_split ? static_cast<std::size_t>(ordered.front().shape.front()) : std::size_t{1};
  for (std::size_t example = 0; example < count; ++example) {
    GraphArrays& of_one = result.examples.emplace_back();
    for (const GraphArray& array : ordered) {
      of_one.push_back(is_split ? example_of(array, example) : array);
    }
  }
  if (result.examples.empty()) {
    throw Error(ErrorCategory::kUsage, "the arrays have no example");
  }
  for (std::size_t i = 0; i < result.graph.inputs.size(); ++i) {
    const Shape& shape = result.examples.front()[i].shape;
    input(i).dimensions.assign(shape.begin(), shape.end());
  }
  return result;
}

}  // namespace narrow
