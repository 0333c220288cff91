#include "nn/integer/code_tables.h"

#include <fmt/format.h>

#include "narrow/error.h"
#include "nn/integer/requantization.h"

namespace narrow {
namespace {

// What the nodes make of every code that the operand may have.
CodeTable function_table(const QuantizedGraph& quantized, const QuantizedStep& step) {
  const IntegerFormat& from = *quantized.format(step.inputs[0]);
  const IntegerFormat& to = *quantized.format(step.output);
  ReferenceTensor values =
      ReferenceTensor::zeros({from.greatest - from.least + 1}, DType::kFloat32);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto code = static_cast<float>(from.least + static_cast<std::int64_t>(i));
    values.values[i] = static_cast<double>(code * from.scale);
  }
  for (const int index : step.nodes) {
    const Node& node = quantized.graph().nodes[static_cast<std::size_t>(index)];
    std::vector<const ReferenceTensor*> inputs = {&values};
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
      inputs.push_back(quantized.stored(node.inputs[i]));
    }
    values = run_operator(node.attributes, inputs);
  }
  CodeTable table;
  for (const std::int64_t code : values.integers) {
    table.push_back(static_cast<std::int32_t>(code - to.zero));
  }
  return table;
}

// What the action throws, with the name of the step's node.
template <typename Action>
auto named(const QuantizedGraph& graph, const QuantizedStep& step, const Action& action) {
  try {
    return action();
  } catch (const Error& error) {
    throw Error(error.category(), fmt::format("{} of {}: {}", step.node(graph.graph()).name,
                                              graph.graph().name, error.what()));
  }
}

std::vector<CodeTable> tables_of_move(const QuantizedGraph& graph, const QuantizedStep& step) {
  const IntegerFormat& to = *graph.format(step.output);
  std::vector<CodeTable> tables;
  for (const ValueId id : step.inputs) {
    const IntegerFormat& from = *graph.format(id);
    const bool is_same =
        from.same_numbers(to) && from.least >= to.least && from.greatest <= to.greatest;
    tables.push_back(is_same ? CodeTable() : requantizing_table(from, to));
  }
  return tables;
}

}  // namespace

CodeTable requantizing_table(const IntegerFormat& from, const IntegerFormat& to) {
  const bool is_float = to.arithmetic.mode == RequantizationMode::kFloat;
  const Requantization requantize(from.scale, {1.0F}, to);
  CodeTable table;
  for (std::int64_t code = from.least; code <= from.greatest; ++code) {
    const float number = static_cast<float>(code) * from.scale;
    table.push_back(
        static_cast<std::int32_t>(is_float ? centered_code(number, to) : requantize(code, 0)));
  }
  return table;
}

std::vector<CodeTable> step_tables(const QuantizedGraph& graph, const QuantizedStep& step) {
  return named(graph, step, [&]() -> std::vector<CodeTable> {
    if (step.kind == StepKind::kTable) return {function_table(graph, step)};
    if (step.kind == StepKind::kMove) return tables_of_move(graph, step);
    return {};
  });
}

CodeTable moved_codes(const QuantizedGraph& graph, const QuantizedStep& step, std::size_t operand) {
  return named(graph, step, [&] {
    return requantizing_table(*graph.format(step.inputs[operand]), *graph.format(step.output));
  });
}

void check_arithmetic(const QuantizedGraph& graph, const QuantizedStep& step) {
  if (!step.makes_codes) return;
  const IntegerFormat& to = *graph.format(step.output);
  if (to.arithmetic.mode == RequantizationMode::kFloat || step.kind == StepKind::kQuantize) return;
  named(graph, step, [&] {
    const IntegerFormat& x = *graph.format(step.inputs[0]);
    const bool is_product = step.kind == StepKind::kMul || step.kind == StepKind::kProduct;
    if (is_product) {
      const IntegerFormat& other = *graph.format(step.inputs[1]);
      const Requantization product(x.scale, {other.scale}, to);
      const auto most = static_cast<double>(x.magnitude() * other.magnitude());
      check_multiplied(most, "products", to);
    } else if (step.kind == StepKind::kAdd) {
      const AddedCodes sum(x, *graph.format(step.inputs[1]), to);
    } else if (step.kind == StepKind::kMean) {
      const auto mean = Requantization::of_mean(x, 1, to);
    }
  });
}

}  // namespace narrow
