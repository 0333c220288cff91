// Operators with a state, and with graphs of their own.
#include <fmt/format.h>

#include <algorithm>

#include "graph/rules/fact_rules.h"
#include "graph/shapes.h"
#include "narrow/error.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

constexpr std::int64_t kMostHidden = std::int64_t{1} << 20;

std::int64_t gates_of(op::RecurrentKind kind) {
  return kind == op::RecurrentKind::kLstm ? 4 : kind == op::RecurrentKind::kGru ? 3 : 1;
}

void require_sizes(const Fact* input, const Dimensions& expected, std::string_view what) {
  if (input == nullptr) return;
  bool fits = input->dimensions.size() == expected.size();
  for (std::size_t i = 0; fits && i < expected.size(); ++i) {
    fits = may_be_equal(input->dimensions[i], expected[i]);
  }
  if (fits) return;
  refuse_inputs(fmt::format("its {} are {}, expected {}", what, to_string(input->dimensions),
                            to_string(expected)));
}

// The facts of a branch's results from those of the node's inputs after the condition.
Facts branch_facts(const Graph& branch, FactInputs inputs) {
  std::vector<Dimensions> dimensions;
  for (std::size_t i = 0; i < branch.inputs.size(); ++i) {
    if (inputs[i]->type != branch.value(branch.inputs[i]).type) {
      refuse_inputs(
          fmt::format("an input of {} is of type {}", branch.name, to_string(inputs[i]->type)));
    }
    dimensions.push_back(inputs[i]->dimensions);
  }
  const FactTable table = infer_facts(branch, dimensions);
  Facts facts;
  for (const ValueId id : branch.outputs) facts.push_back(table[static_cast<std::size_t>(id)]);
  return facts;
}

// What is true of both, or `expected` where they differ in more than sizes.
Fact common(const Fact& expected, const Fact& other) {
  Fact result = {expected.type, expected.dimensions};
  if (expected.type != other.type || expected.dimensions.size() != other.dimensions.size()) {
    return result;
  }
  for (std::size_t i = 0; i < result.dimensions.size(); ++i) {
    if (result.dimensions[i] != other.dimensions[i]) result.dimensions[i] = Dimension();
  }
  return result;
}

}  // namespace

Facts infer(const op::Recurrent& recurrent, FactInputs inputs) {
  require_real(*inputs[0]);
  Dimensions x = inputs[0]->dimensions;
  if (x.size() != 3) {
    refuse_inputs(fmt::format("its input is {}, expected three axes", to_string(x)));
  }
  if (recurrent.batch_first) std::swap(x[0], x[1]);
  const std::int64_t hidden = recurrent.hidden;
  const std::int64_t directions = recurrent.direction == op::Direction::kBoth ? 2 : 1;
  if (hidden < 1 || hidden > kMostHidden) {
    refuse_inputs(fmt::format("its hidden size is {}, expected 1 to {}", hidden, kMostHidden));
  }
  const std::int64_t rows = gates_of(recurrent.kind) * hidden;
  require_sizes(inputs[1], {directions, rows, x[2]}, "weights");
  require_sizes(inputs[2], {directions, rows, hidden}, "recurrent weights");
  require_sizes(input_at(inputs, 3), {directions, 2 * rows}, "biases");
  require_sizes(input_at(inputs, 4), {x[1]}, "lengths");
  const Dimensions state = recurrent.batch_first ? Dimensions{x[1], directions, hidden}
                                                 : Dimensions{directions, x[1], hidden};
  require_sizes(input_at(inputs, 5), state, "first states");
  require_sizes(input_at(inputs, 6), state, "first cells");
  require_sizes(input_at(inputs, 7), {directions, 3 * hidden}, "peepholes");
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) continue;
    if (i == 4 ? is_integer(inputs[i]->type) : is_floating_point(inputs[i]->type)) continue;
    refuse_inputs(fmt::format("its input {} is of type {}", i, to_string(inputs[i]->type)));
  }
  const DType type = inputs[0]->type;
  const Dimensions all = recurrent.batch_first ? Dimensions{x[1], x[0], directions, hidden}
                                               : Dimensions{x[0], directions, x[1], hidden};
  Facts facts = {{type, all}, {type, state}};
  if (recurrent.kind == op::RecurrentKind::kLstm) facts.push_back({type, state});
  return facts;
}

Facts infer(const op::If& branches, FactInputs inputs) {
  const Fact& condition = *inputs[0];
  if (condition.type != DType::kBool || !may_be_equal(product(condition.dimensions), 1)) {
    refuse_inputs(fmt::format("its condition is {} of type {}, expected one bool",
                              to_string(condition.dimensions), to_string(condition.type)));
  }
  const FactInputs read = inputs.subspan(1);
  if (read.size() != branches.then_branch->inputs.size()) {
    refuse_inputs(fmt::format("its branches read {} values, found {}",
                              branches.then_branch->inputs.size(), read.size()));
  }
  const auto known = known_integers(&condition);
  if (known && known->size() == 1) {
    return branch_facts(*((*known)[0] != 0 ? branches.then_branch : branches.else_branch), read);
  }
  // A branch that these inputs do not fit cannot be taken.
  const Graph& expected = *(branches.expects_else ? branches.else_branch : branches.then_branch);
  const Graph& other = *(branches.expects_else ? branches.then_branch : branches.else_branch);
  Facts results;
  try {
    results = branch_facts(expected, read);
  } catch (const Error&) {
    return branch_facts(other, read);
  }
  try {
    const Facts others = branch_facts(other, read);
    for (std::size_t i = 0; i < std::min(results.size(), others.size()); ++i) {
      results[i] = common(results[i], others[i]);
    }
  } catch (const Error&) {
    return results;
  }
  return results;
}

}  // namespace narrow
