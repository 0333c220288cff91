#include "nn/integer/integer_executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>

#include "base/parallel.h"
#include "graph/inner_graphs.h"
#include "graph/matchers.h"
#include "graph/operators.h"
#include "graph/shapes.h"
#include "narrow/error.h"
#include "nn/example_groups.h"
#include "nn/integer/code_tables.h"
#include "nn/integer/expand_quantized.h"
#include "nn/integer/integer_steps.h"

namespace narrow {
namespace {

// A step with what was worked out for it beforehand.
struct PreparedStep {
  const QuantizedStep* step = nullptr;
  StepTime name;
  std::vector<ValueId> operands;                // its inputs that are not stored
  std::vector<const ReferenceTensor*> further;  // by input of its node: what is stored, else null
  std::optional<IntegerLinear> linear;
  std::vector<CodeTable> tables;  // by operand: of kTable, and of kMove where formats differ
};

}  // namespace

struct IntegerExecutor::Program {
  Program(Graph whole, const ReadWeight& read_weight, const ExecutorOptions& executor_options,
          const IntegerArithmetic& arithmetic)
      : graph(std::move(whole)),
        quantized(
            graph, [&](const Weight& weight) { return ReferenceTensor::of(read_weight(weight)); },
            arithmetic),
        options(executor_options) {
    for (const QuantizedStep& step : quantized.steps()) {
      if (step.makes_codes) width = std::max(width, width_of(*quantized.format(step.output)));
    }
    for (const QuantizedStep& step : quantized.steps()) {
      check_arithmetic(quantized, step);
      prepare(step);
    }
    for (const ValueId id : graph.outputs) stored_outputs.push_back(quantized.stored(id));
  }

  Graph graph;
  QuantizedGraph quantized;
  ExecutorOptions options;
  CodeWidth width = CodeWidth::kByte;  // of all values
  std::vector<PreparedStep> steps;
  std::vector<const ReferenceTensor*> stored_outputs;  // null for what is computed
  std::vector<AccumulatorUse> accumulators;

 private:
  void prepare(const QuantizedStep& step) {
    PreparedStep& prepared = steps.emplace_back();
    prepared.step = &step;
    prepared.name.name = step.node(graph).name;
    for (const int node : step.nodes) {
      const bool is_first = prepared.name.op.empty();
      prepared.name.op += is_first ? "" : "+";
      prepared.name.op += operator_of(graph.nodes[static_cast<std::size_t>(node)]).name;
    }
    for (const ValueId id : step.inputs) {
      if (id != kNoValue && quantized.stored(id) == nullptr) prepared.operands.push_back(id);
    }
    // Others do not look at what their nodes have stored: weights stay codes.
    if (step.kind == StepKind::kFloat || step.kind == StepKind::kMove) {
      for (const ValueId id : step.node(graph).inputs) {
        prepared.further.push_back(quantized.stored(id));
      }
    }
    if (step.kind == StepKind::kLinear) {
      prepared.linear.emplace(quantized, step, width);
      accumulators.push_back({prepared.name.name, prepared.linear->bounds()});
    }
    prepared.tables = step_tables(quantized, step);
    for (std::size_t i = 0; step.kind == StepKind::kMove && i < step.inputs.size(); ++i) {
      const IntegerFormat& from = *quantized.format(step.inputs[i]);
      const IntegerFormat& to = *quantized.format(step.output);
      const bool is_stored_alike = storage_of(from, width) == storage_of(to, width);
      CodeTable& table = prepared.tables[i];
      if (table.empty() && !is_stored_alike) table = moved_codes(quantized, step, i);
    }
  }
};

namespace {

// A value while the network runs: codes, numbers, or an input as it was given.
struct RunValue {
  std::optional<CodeArray> codes;
  std::optional<ReferenceTensor> numbers;
  const GraphArray* given = nullptr;
  int uses_left = 0;
};

// One pass through the steps of a program.
template <typename Program>
class IntegerRun {
 public:
  IntegerRun(const Program& program, std::span<const GraphArray> inputs)
      : program_(program), graph_(program.graph), values_(graph_.values.size()) {
    for (std::size_t i = 0; i < inputs.size(); ++i) at(graph_.inputs[i]).given = &inputs[i];
    for (const PreparedStep& prepared : program.steps) {
      for (const ValueId id : prepared.operands) ++at(id).uses_left;
    }
    for (const ValueId id : graph_.outputs) ++at(id).uses_left;
  }

  // Of every step, once it is computed.
  void trace(const std::function<void(const IntegerExecutor::TracedStep&)>& see) {
    for (const PreparedStep& prepared : program_.steps) {
      const QuantizedStep& step = *prepared.step;
      std::optional<ReferenceTensor> sums;
      if (prepared.linear) sums = prepared.linear->sums(*at(step.inputs[0]).codes);
      if (step.output != kNoValue) ++at(step.output).uses_left;
      run(prepared);
      if (step.output == kNoValue) continue;
      see({step, numbers(step.output), sums ? &*sums : nullptr});
      if (--at(step.output).uses_left == 0) at(step.output) = {};
    }
  }

  GraphArrays run(std::vector<double>* seconds) {
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      run(program_.steps[i]);
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
      if (seconds != nullptr) (*seconds)[i] += time.count();
    }
    GraphArrays outputs;
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      const ReferenceTensor* const stored = program_.stored_outputs[i];
      outputs.push_back((stored != nullptr ? *stored : numbers(graph_.outputs[i])).as_constant());
    }
    return outputs;
  }

 private:
  RunValue& at(ValueId id) { return values_[static_cast<std::size_t>(id)]; }

  CodeOperand operand(ValueId id) { return {&*at(id).codes, program_.quantized.format(id)}; }

  // As a node sees the value.
  const ReferenceTensor& numbers(ValueId id) {
    RunValue& value = at(id);
    if (!value.numbers) {
      value.numbers = value.given != nullptr
                          ? ReferenceTensor::of(*value.given)
                          : with_zero_point(*value.codes, *program_.quantized.format(id));
    }
    return *value.numbers;
  }

  void run(const PreparedStep& prepared) {
    try {
      compute(prepared);
    } catch (const Error& error) {
      const Node& node = prepared.step->node(graph_);
      throw Error(error.category(),
                  fmt::format("{} {} of {}: {}", operator_of(node).name, node.name, graph_.name,
                              error.what()),
                  error.remedy());
    }
    for (const ValueId id : prepared.operands) {
      if (--at(id).uses_left == 0) at(id) = {};
    }
  }

  void compute(const PreparedStep& prepared) {
    const QuantizedStep& step = *prepared.step;
    if (step.kind == StepKind::kFloat) {
      run_node(prepared);
    } else if (step.makes_codes) {
      at(step.output).codes = codes_of(prepared, *program_.quantized.format(step.output));
    } else {
      at(step.output).numbers = numbers_of(prepared);
    }
  }

  CodeArray codes_of(const PreparedStep& prepared, const IntegerFormat& to) {
    const QuantizedStep& step = *prepared.step;
    const ValueId x = step.inputs[0];
    switch (step.kind) {
      case StepKind::kQuantize:
        return quantize(x, to);
      case StepKind::kLinear:
        return prepared.linear->codes(*at(x).codes);
      case StepKind::kProduct:
        return multiply_matrices(operand(x), operand(step.inputs[1]), to);
      case StepKind::kAdd:
        return add_codes(operand(x), operand(step.inputs[1]), to);
      case StepKind::kMul:
        return multiply_codes(operand(x), operand(step.inputs[1]), to);
      case StepKind::kMean:
        return mean_codes(step.node(graph_).attributes, operand(x), to);
      case StepKind::kTable:
        return look_up(prepared.tables[0], operand(x), to);
      default:
        return move(prepared, to);
    }
  }

  ReferenceTensor numbers_of(const PreparedStep& prepared) {
    const QuantizedStep& step = *prepared.step;
    const CodeOperand x = operand(step.inputs[0]);
    if (step.kind == StepKind::kLinear) return prepared.linear->numbers(*x.codes);
    if (step.kind == StepKind::kProduct) return multiply_matrices(x, operand(step.inputs[1]));
    return dequantized(*x.codes, *x.format);
  }

  CodeArray quantize(ValueId id, const IntegerFormat& to) {
    const RunValue& value = at(id);
    if (value.given != nullptr && value.given->type == DType::kFloat32) {
      std::vector<float> values(value.given->bytes.size() / sizeof(float));
      std::memcpy(values.data(), value.given->bytes.data(), value.given->bytes.size());
      return quantized(values, value.given->shape, to, program_.width);
    }
    const ReferenceTensor& x = numbers(id);
    std::vector<float> values(x.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] =
          static_cast<float>(x.is_real() ? x.values[i] : static_cast<double>(x.integers[i]));
    }
    return quantized(values, x.shape, to, program_.width);
  }

  CodeArray move(const PreparedStep& prepared, const IntegerFormat& to) {
    const QuantizedStep& step = *prepared.step;
    const Node& node = step.node(graph_);
    std::vector<CodeArray> looked_up;
    looked_up.reserve(step.inputs.size());
    std::vector<CodeOperand> x;
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      x.push_back(operand(step.inputs[i]));
      if (prepared.tables[i].empty()) continue;
      looked_up.push_back(look_up(prepared.tables[i], x.back(), to));
      x.back() = {&looked_up.back(), &to};
    }
    return move_codes(node, x, prepared.further);
  }

  void run_node(const PreparedStep& prepared) {
    const Node& node = prepared.step->node(graph_);
    std::vector<const ReferenceTensor*> inputs = prepared.further;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id != kNoValue && inputs[i] == nullptr) inputs[i] = &numbers(id);
    }
    std::vector<ReferenceTensor> results = run_operator_results(node.attributes, inputs);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != kNoValue) at(node.outputs[i]).numbers = std::move(results.at(i));
    }
  }

  const Program& program_;
  const Graph& graph_;
  std::vector<RunValue> values_;
};

}  // namespace

IntegerExecutor::IntegerExecutor(const Graph& graph, const ReadWeight& read_weight,
                                 const ExecutorOptions& options,
                                 const IntegerArithmetic& arithmetic)
    : program_(
          std::make_unique<Program>(expand_quantized(graph), read_weight, options, arithmetic)) {}

IntegerExecutor::~IntegerExecutor() = default;

const QuantizedGraph& IntegerExecutor::quantized() const { return program_->quantized; }

const std::vector<AccumulatorUse>& IntegerExecutor::accumulators() const {
  return program_->accumulators;
}

GraphArrays IntegerExecutor::run(std::span<const GraphArray> inputs, StepTimes* times) const {
  const ThreadLimit limit(program_->options.threads);
  std::vector<Dimensions> shapes;
  for (const GraphArray& input : inputs) {
    shapes.emplace_back(input.shape.begin(), input.shape.end());
  }
  check_inputs(program_->graph, shapes);
  std::mutex mutex;
  std::vector<double> seconds(program_->steps.size(), 0);
  const auto run_group = [&](std::span<const GraphArray> group) {
    std::vector<double> of_group(seconds.size(), 0);
    GraphArrays outputs = IntegerRun(*program_, group).run(times != nullptr ? &of_group : nullptr);
    const std::lock_guard lock(mutex);
    std::ranges::transform(seconds, of_group, seconds.begin(), std::plus<>());
    return outputs;
  };
  GraphArrays outputs =
      program_->options.independent_examples ? run_groups(inputs, 1, run_group) : run_group(inputs);
  if (times == nullptr) return outputs;
  times->resize(seconds.size());
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    const double before = (*times)[i].seconds;
    (*times)[i] = program_->steps[i].name;
    (*times)[i].seconds = before + seconds[i];
  }
  return outputs;
}

void IntegerExecutor::trace(std::span<const GraphArray> inputs,
                            const std::function<void(const TracedStep&)>& see) const {
  const ThreadLimit limit(program_->options.threads);
  std::vector<Dimensions> shapes;
  for (const GraphArray& input : inputs) {
    shapes.emplace_back(input.shape.begin(), input.shape.end());
  }
  check_inputs(program_->graph, shapes);
  IntegerRun(*program_, inputs).trace(see);
}

bool has_quantized_activations(const Graph& graph) {
  return std::ranges::any_of(graph.nodes, [](const Node& node) {
    return is_any<op::QuantizeLinear, op::QLinearConv, op::QLinearMatMul>(node) ||
           std::ranges::any_of(inner_graphs(node), [](const Graph* inner) {
             return has_quantized_activations(*inner);
           });
  });
}

}  // namespace narrow
