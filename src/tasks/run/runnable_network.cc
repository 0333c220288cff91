#include "tasks/run/runnable_network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "base/name_pattern.h"
#include "base/parallel.h"
#include "graph/rules/batch_axis.h"
#include "graph/shapes.h"
#include "graph/weight_source.h"
#include "graph/widen_halves.h"
#include "narrow/error.h"
#include "nn/example_groups.h"
#include "nn/execution/quantized_execution.h"
#include "nn/reference/fold_constants.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

GraphArray converted(GraphArray array, DType type) {
  if (array.type == type || !is_floating_point(array.type)) return array;
  array.bytes = encode_reals(type, decode_reals(array.type, array.bytes));
  array.type = type;
  return array;
}

// The inputs with the sizes of the arrays, the first of each `examples` unless that is null.
void set_sizes(Graph& graph, std::span<const GraphArray> inputs, const Dimension* examples) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Dimensions& dimensions = graph.values[static_cast<std::size_t>(graph.inputs[i])].dimensions;
    dimensions.assign(inputs[i].shape.begin(), inputs[i].shape.end());
    if (examples != nullptr) dimensions.front() = *examples;
  }
}

// The graph made for any number of examples of the arrays' sizes, with what does not depend on them
// still in it; nothing when they meet somewhere.
std::optional<Graph> with_independent_examples(const Graph& graph,
                                               std::span<const GraphArray> inputs) {
  try {
    Graph free = graph;
    const Dimension examples = Dimension::free("N");
    set_sizes(free, inputs, &examples);
    if (mixed_examples(fold_constants(free))) return std::nullopt;
    return free;
  } catch (const Error&) {
    return std::nullopt;  // with a number of its own it may be right
  }
}

bool share_examples(std::span<const GraphArray> inputs) {
  return !inputs.empty() && std::ranges::all_of(inputs, [&](const GraphArray& input) {
    return !input.shape.empty() && !inputs.front().shape.empty() &&
           input.shape.front() == inputs.front().shape.front();
  });
}

}  // namespace

GraphArrays PreparedNetwork::run(std::span<const GraphArray> given, StepTimes* times) const {
  GraphArrays inputs(given.begin(), given.end());
  for (GraphArray& input : inputs) {
    if (is_half(input.type)) input = converted(std::move(input), DType::kFloat32);
  }
  GraphArrays outputs;
  if (batching == Batching::kOneByOne) {
    const ThreadLimit one(times == nullptr ? threads : 1);
    outputs = run_groups(inputs, 1, [&](std::span<const GraphArray> example) {
      return executor->run(example, times);
    });
  } else {
    outputs = executor->run(inputs, times);
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    outputs[i] = converted(std::move(outputs[i]), output_types[i]);
  }
  return outputs;
}

RunnableNetwork::RunnableNetwork(const CheckpointReader& reader, const std::string& model_name,
                                 std::span<const std::string> nodes)
    : reader_(reader),
      variables_(reader, false),
      graph_(held_network(reader, variables_, model_name)),
      own_outputs_(graph_.outputs.size()),
      has_halves_(narrow::has_halves(graph_)) {
  check_weights(graph_, variables_);
  for (const std::string& pattern : nodes) watch(pattern);
  // In the order of execution, whatever the order of the patterns.
  std::ranges::stable_sort(graph_.outputs.begin() + static_cast<std::ptrdiff_t>(own_outputs_),
                           graph_.outputs.end(), {},
                           [&](ValueId id) { return graph_.producer(id); });
}

void RunnableNetwork::watch(const std::string& pattern) {
  bool is_found = false;
  for (const Node& node : graph_.nodes) {
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      if (!name_matches(pattern, node.name) && !name_matches(pattern, graph_.value(id).name)) {
        continue;
      }
      is_found = true;
      if (std::ranges::find(graph_.outputs, id) == graph_.outputs.end()) {
        graph_.outputs.push_back(id);
      }
    }
  }
  if (is_found) return;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("no node of {} is called {}", graph_.name, pattern));
}

void RunnableNetwork::require_integers(const RunNetworkOptions& options) const {
  const bool has_integers = execution_of(graph_, options.execution) == Execution::kInteger;
  if (has_integers || !options.needs_integers) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} is computed in floating point: the requantization '{}' is for exact "
                          "integers",
                          reader_.location().path.string(), to_string(options.arithmetic.mode)));
}

GraphArrays RunnableNetwork::ordered(std::span<const NamedArray> arrays) const {
  std::vector<std::string> names;
  for (const ValueId id : graph_.inputs) names.push_back(graph_.value(id).name);
  for (const NamedArray& array : arrays) {
    if (std::ranges::find(names, array.info.name) != names.end()) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("there is an array {}, but the inputs of {} are {}", array.info.name,
                            graph_.name, fmt::join(names, ", ")));
  }
  GraphArrays inputs;
  for (const ValueId id : graph_.inputs) {
    const Value& input = graph_.value(id);
    const auto array = std::ranges::find(arrays, input.name,
                                         [](const NamedArray& named) { return named.info.name; });
    if (array == arrays.end()) {
      throw Error(ErrorCategory::kNotFound,
                  fmt::format("there is no array for the input {} of {}", input.name, graph_.name));
    }
    const TensorInfo& info = array->info;
    if (info.dtype != input.type && !(is_half(input.type) && info.dtype == DType::kFloat32)) {
      throw Error(
          ErrorCategory::kUnsupported,
          fmt::format("the input {} is {}{}, found {}{}", input.name, to_string(input.type),
                      to_string(input.dimensions), info.type_name(), to_string(info.shape)));
    }
    if (array->values.size() != info.byte_size()) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("the array {} has {} bytes, expected {}", info.name,
                              array->values.size(), info.byte_size()));
    }
    inputs.push_back(converted({info.dtype, info.shape, array->values}, input.type));
  }
  check_shapes(inputs);
  return inputs;
}

// A first size of 1 may be another one.
void RunnableNetwork::check_shapes(std::span<const GraphArray> inputs) const {
  const bool may_be_other = share_examples(inputs) && all_start_with_one_or_free();
  std::vector<Dimensions> given;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Dimensions& declared = graph_.value(graph_.inputs[i]).dimensions;
    Dimensions& dimensions = given.emplace_back(inputs[i].shape.begin(), inputs[i].shape.end());
    if (may_be_other && dimensions.size() == declared.size() && declared.front() == 1) {
      dimensions.front() = 1;
    }
  }
  check_inputs(graph_, given);
}

std::unique_ptr<GraphExecutor> RunnableNetwork::make(Graph graph, ExecutorOptions options,
                                                     Execution execution,
                                                     const IntegerArithmetic& arithmetic) const {
  return make_executor(std::move(graph), weight_reader(), options, execution, arithmetic);
}

ReadWeight RunnableNetwork::weight_reader() const {
  return [this](const Weight& weight) {
    return converted(stored_tensor(reader_, weight.name), weight.type);
  };
}

bool RunnableNetwork::takes_examples_apart(std::span<const GraphArray> inputs) const {
  if (!share_examples(inputs) || !all_start_with_one_or_free()) return false;
  const bool is_freed = is_made_for_one() && inputs.front().shape.front() != 1;
  return is_freed || with_independent_examples(graph_, inputs).has_value();
}

bool RunnableNetwork::all_start_with_one_or_free() const {
  return std::ranges::all_of(graph_.inputs, [&](ValueId id) {
    const Dimensions& dimensions = graph_.value(id).dimensions;
    return !dimensions.empty() && (dimensions.front().is_free() || dimensions.front() == 1);
  });
}

bool RunnableNetwork::is_made_for_one() const {
  return std::ranges::any_of(graph_.inputs, [&](ValueId id) {
    const Dimensions& dimensions = graph_.value(id).dimensions;
    return !dimensions.empty() && dimensions.front() == 1;
  });
}

std::vector<DType> RunnableNetwork::output_types(std::span<const GraphArray> inputs) const {
  std::vector<Dimensions> sizes;
  for (const GraphArray& input : inputs) sizes.emplace_back(input.shape.begin(), input.shape.end());
  Graph fixed = graph_;
  set_sizes(fixed, inputs, nullptr);
  const FactTable facts = infer_facts(fixed, sizes);
  std::vector<DType> types;
  for (const ValueId id : graph_.outputs) {
    types.push_back(facts[static_cast<std::size_t>(id)].type);
  }
  return types;
}

PreparedNetwork RunnableNetwork::prepare(std::span<const GraphArray> inputs, int threads,
                                         Execution execution,
                                         const IntegerArithmetic& arithmetic) const {
  PreparedNetwork prepared;
  prepared.execution = execution_of(graph_, execution);
  prepared.threads = threads;
  const bool may_split = share_examples(inputs) && all_start_with_one_or_free();
  const bool is_freed = may_split && is_made_for_one() && inputs.front().shape.front() != 1;
  GraphArrays sizes;  // of one run
  for (const GraphArray& input : inputs) {
    sizes.push_back({input.type, input.shape, {}});
    if (is_freed) sizes.back().shape.front() = 1;
  }
  prepared.output_types = output_types(sizes);
  const Graph graph = has_halves_ ? widen_halves(graph_) : graph_;
  if (auto free = may_split ? with_independent_examples(graph, inputs) : std::nullopt) {
    prepared.batching = Batching::kIndependent;
    prepared.is_freed = is_freed;
    prepared.executor = make(std::move(*free), {threads, true}, prepared.execution, arithmetic);
    return prepared;
  }
  Graph fixed = graph;
  set_sizes(fixed, sizes, nullptr);
  prepared.batching = is_freed ? Batching::kOneByOne : Batching::kWhole;
  prepared.executor = make(std::move(fixed), {threads, false}, prepared.execution, arithmetic);
  return prepared;
}

}  // namespace narrow
