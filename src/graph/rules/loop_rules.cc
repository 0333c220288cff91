// Operators that run a graph again and again. What is known of a state has to hold in every round:
// where the body gives another size than it was given, the size is free.
#include "graph/rules/loop_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/rules/fact_rules.h"
#include "graph/shapes.h"

namespace narrow {
namespace {

// A size that changes is free after a round, and what follows from it after the next; from then on
// all sizes of a state that changes are, so that loops within loops do not take long.
constexpr int kMostRounds = 4;

// What the body gives when its inputs have these dimensions, of which those of the states, from
// `first` on, are made free where they change. `first_output` is that of the first state.
Facts settle(const Graph& body, std::vector<Dimensions>& dimensions, std::size_t first,
             std::size_t states, std::size_t first_output) {
  for (int round = 0; round < kMostRounds; ++round) {
    const FactTable table = infer_facts(body, dimensions);
    Facts facts;
    for (const ValueId id : body.outputs) {
      const Fact& fact = table[static_cast<std::size_t>(id)];
      facts.push_back({fact.type, fact.dimensions});
    }
    bool is_settled = true;
    for (std::size_t i = 0; i < states; ++i) {
      const Fact& fact = facts.at(first_output + i);
      Dimensions& state = dimensions[first + i];
      const Value& input = body.value(body.inputs[first + i]);
      if (fact.type != input.type || fact.dimensions.size() != state.size()) {
        refuse_inputs(fmt::format("its state {} is {}{}, and {}{} after a round", input.name,
                                  to_string(input.type), to_string(state), to_string(fact.type),
                                  to_string(fact.dimensions)));
      }
      is_settled = !free_what_changes(state, fact.dimensions, round > 1) && is_settled;
    }
    if (is_settled) return facts;
  }
  refuse_inputs("the sizes of its states do not settle");
}

void require_input(const Graph& body, std::size_t index, const Fact* input) {
  const Value& value = body.value(body.inputs[index]);
  if (input != nullptr && input->type == value.type) return;
  refuse_inputs(fmt::format("the input {} of its body is {}, found {}", value.name,
                            to_string(value.type),
                            input == nullptr ? "nothing" : to_string(input->type)));
}

void require_one_of(const Fact* input, DType type, std::string_view what) {
  if (input == nullptr) return;
  if (input->type == type && may_be_equal(product(input->dimensions), 1)) return;
  refuse_inputs(fmt::format("its {} is {}{}, expected one {}", what, to_string(input->type),
                            to_string(input->dimensions), to_string(type)));
}

Dimensions with_axis(Dimensions dimensions, std::int64_t axis, const Dimension& size) {
  const std::size_t at = axis_of(axis, dimensions.size() + 1);
  dimensions.insert(dimensions.begin() + static_cast<std::ptrdiff_t>(at), size);
  return dimensions;
}

}  // namespace

bool free_what_changes(Dimensions& state, const Dimensions& after, bool all) {
  bool changes = false;
  for (std::size_t axis = 0; axis < state.size(); ++axis) {
    // A free size without a name is any size.
    changes |= state[axis] != after[axis] && state[axis] != Dimension();
  }
  for (std::size_t axis = 0; changes && axis < state.size(); ++axis) {
    if (all || state[axis] != after[axis]) state[axis] = Dimension();
  }
  return changes;
}

Facts infer(const op::Loop& loop, FactInputs inputs) {
  const Graph& body = *loop.body;
  const auto states = static_cast<std::size_t>(loop.states);
  require_one_of(input_at(inputs, 0), DType::kInt64, "number of rounds");
  require_one_of(input_at(inputs, 1), DType::kBool, "condition");
  if (body.inputs.size() < states + 2 || body.outputs.size() < states + 1 ||
      (inputs.size() != body.inputs.size() && body.inputs.size() > 2)) {
    refuse_inputs(fmt::format("its body has {} inputs and {} outputs for {} inputs and {} states",
                              body.inputs.size(), body.outputs.size(), inputs.size(), states));
  }
  std::vector<Dimensions> dimensions;
  for (std::size_t i = 0; i < body.inputs.size(); ++i) {
    if (i < 2) {
      dimensions.push_back(body.value(body.inputs[i]).dimensions);
      continue;
    }
    require_input(body, i, inputs[i]);
    dimensions.push_back(inputs[i]->dimensions);
  }
  Facts facts = settle(body, dimensions, 2, states, 1);
  require_one_of(facts.data(), DType::kBool, "next condition");
  for (std::size_t i = 0; i < states; ++i) facts[1 + i].dimensions = dimensions[2 + i];
  for (std::size_t i = 1 + states; i < facts.size(); ++i) {
    facts[i].dimensions = with_axis(std::move(facts[i].dimensions), 0, Dimension());
  }
  facts.erase(facts.begin());
  return facts;
}

Facts infer(const op::Scan& scan, FactInputs inputs) {
  const Graph& body = *scan.body;
  const auto states = static_cast<std::size_t>(scan.states);
  const std::size_t sequences = scan.inputs.size();
  if (inputs.size() != body.inputs.size() || inputs.size() < states + sequences ||
      body.outputs.size() != states + scan.outputs.size()) {
    refuse_inputs(
        fmt::format("its body has {} inputs and {} outputs for {} inputs, {} states and {} "
                    "sequences",
                    body.inputs.size(), body.outputs.size(), inputs.size(), states, sequences));
  }
  std::vector<Dimensions> dimensions;
  Dimension steps;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    require_input(body, i, inputs[i]);
    dimensions.push_back(inputs[i]->dimensions);
    if (i < states || i >= states + sequences) continue;
    Dimensions& entry = dimensions.back();
    const std::size_t axis = axis_of(scan.inputs[i - states].axis, entry.size());
    if (i > states && !may_be_equal(steps, entry[axis])) {
      refuse_inputs(fmt::format("its sequences have {} and {} entries",
                                to_string(Dimensions{steps}), to_string(Dimensions{entry[axis]})));
    }
    if (i == states || steps.is_free()) steps = entry[axis];
    entry.erase(entry.begin() + static_cast<std::ptrdiff_t>(axis));
  }
  Facts facts = settle(body, dimensions, 0, states, 0);
  for (std::size_t i = 0; i < states; ++i) facts[i].dimensions = dimensions[i];
  for (std::size_t i = 0; i < scan.outputs.size(); ++i) {
    Fact& fact = facts[states + i];
    fact.dimensions = with_axis(std::move(fact.dimensions), scan.outputs[i].axis, steps);
  }
  return facts;
}

}  // namespace narrow
