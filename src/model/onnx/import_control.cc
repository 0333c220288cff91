// Operators with a state, and with graphs of their own.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <memory>

#include "graph/rules/fact_rules.h"
#include "graph/rules/loop_rules.h"
#include "model/onnx/attribute_texts.h"
#include "model/onnx/node_import.h"
#include "narrow/error.h"

namespace narrow {
namespace {

std::string in_small_letters(std::string_view text) {
  std::string small(text);
  std::ranges::transform(small, small.begin(), [](unsigned char c) { return std::tolower(c); });
  return small;
}

// Parameters are listed for those functions only that have them.
std::vector<op::CellActivation> activations_of(const NodeImport& node,
                                               const std::vector<std::string>& names) {
  const std::vector<double> alphas = node.reals("activation_alpha");
  const std::vector<double> betas = node.reals("activation_beta");
  std::size_t alpha = 0;
  std::size_t beta = 0;
  std::vector<op::CellActivation> result;
  for (const std::string& name : names) {
    const auto* const found =
        std::ranges::find_if(kCellFunctions, [&](const CellFunctionText& function) {
          return in_small_letters(function.name) == in_small_letters(name);
        });
    if (found == kCellFunctions.end()) node.refuse(fmt::format("its activation is '{}'", name));
    op::CellActivation activation = found->activation;
    if (found->has_alpha && alpha < alphas.size()) activation.alpha = alphas[alpha++];
    if (found->has_beta && beta < betas.size()) activation.beta = betas[beta++];
    result.push_back(activation);
  }
  return result;
}

template <op::RecurrentKind kKind>
void import_recurrent(const NodeImport& node) {
  op::Recurrent recurrent;
  recurrent.kind = kKind;
  const Dimensions& weights = node.fact(2).dimensions;
  if (weights.size() != 3) node.refuse("its recurrence weights have not three axes");
  recurrent.hidden = node.integer("hidden_size", weights.back().size);
  recurrent.direction = node.choice<op::Direction>("direction", "forward", kDirections);
  std::vector<std::string> usual = {"Tanh"};
  if (kKind == op::RecurrentKind::kGru) usual = {"Sigmoid", "Tanh"};
  if (kKind == op::RecurrentKind::kLstm) usual = {"Sigmoid", "Tanh", "Tanh"};
  const std::size_t directions = recurrent.direction == op::Direction::kBoth ? 2 : 1;
  std::vector<std::string> names = node.texts("activations");
  for (std::size_t i = 0; names.size() < directions * usual.size() && i < directions; ++i) {
    if (i == 0) names.clear();
    names.insert(names.end(), usual.begin(), usual.end());
  }
  if (names.size() != directions * usual.size()) {
    node.refuse(
        fmt::format("{} activations, expected {}", names.size(), directions * usual.size()));
  }
  recurrent.activations = activations_of(node, names);
  recurrent.clip = node.real("clip", 0);
  recurrent.couples_gates = node.flag("input_forget", false);
  recurrent.resets_after_product = node.flag("linear_before_reset", false);
  recurrent.batch_first = node.flag("layout", false);
  for (const std::size_t i : {1, 2}) node.set_role(i, WeightRole::kKernel);
  node.set_role(3, WeightRole::kBias);
  node.emit(std::move(recurrent));
}

// A branch on its way; its outputs by their names there.
struct Branch {
  GraphImport graph;
  std::vector<std::string> outputs;

  Branch(const NodeImport& node, const onnx::GraphProto& from, std::string_view attribute)
      : graph(fmt::format("{}/{}", node.name(), attribute), node.graph().model(), &node.graph()) {
    import_nodes(graph, from);
    for (const auto& output : from.output()) outputs.push_back(output.name());
    if (outputs.size() != node.output_count()) {
      node.refuse(fmt::format("its {} gives {} values, expected {}", attribute, outputs.size(),
                              node.output_count()));
    }
    for (const std::string& output : outputs) graph.find(output, graph_name(node, attribute));
  }

 private:
  static std::string graph_name(const NodeImport& node, std::string_view attribute) {
    return fmt::format("{} of {}", attribute, node.name());
  }
};

// With a condition that is known the branch's nodes stand in place of the node.
void import_if(const NodeImport& node) {
  const auto condition = known_integers(&node.fact(0));
  if (condition && condition->size() == 1) {
    const std::string_view taken = (*condition)[0] != 0 ? "then_branch" : "else_branch";
    Branch branch(node, node.subgraph(taken), taken);
    const std::vector<ValueId> inputs = branch.graph.captures();
    node.graph().splice(branch.graph.finish(branch.outputs), inputs, node.name() + "/",
                        node.output_names());
    return;
  }
  const bool expects_else = node.graph().expects_else();
  Branch taken(node, node.subgraph("then_branch"), "then_branch");
  Branch other(node, node.subgraph("else_branch"), "else_branch");
  std::vector<ValueId> captures = taken.graph.captures();
  for (const ValueId id : other.graph.captures()) {
    if (std::ranges::find(captures, id) == captures.end()) captures.push_back(id);
  }
  taken.graph.set_captures(captures);
  other.graph.set_captures(captures);
  std::vector<ValueId> inputs = {node.input(0)};
  inputs.insert(inputs.end(), captures.begin(), captures.end());
  node.emit(op::If{std::make_shared<Graph>(taken.graph.finish(taken.outputs)),
                   std::make_shared<Graph>(other.graph.finish(other.outputs)), expects_else},
            std::move(inputs));
}

// The body of a loop, and what follows of its results.
struct Body {
  GraphImport graph;
  std::vector<std::string> outputs;
  Facts results;

  // `inputs`: what is known of those that the node says.
  Body(const NodeImport& node, const onnx::GraphProto& from, const Facts& inputs)
      : graph(node.name() + "/body", node.graph().model(), &node.graph()) {
    if (from.input_size() != std::ssize(inputs)) {
      node.refuse(
          fmt::format("its body has {} inputs, expected {}", from.input_size(), inputs.size()));
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      graph.add_input(from.input(static_cast<int>(i)).name(), inputs[i]);
    }
    import_nodes(graph, from);
    for (const auto& output : from.output()) {
      outputs.push_back(output.name());
      results.push_back(graph.fact(graph.find(output.name(), "body of " + node.name())));
    }
  }
};

// The node's inputs from `first` on, `count` of them, without what is known of their elements.
Facts facts_of_inputs(const NodeImport& node, std::size_t first, std::size_t count) {
  Facts facts;
  for (std::size_t i = first; i < first + count; ++i) {
    facts.push_back({node.fact(i).type, node.fact(i).dimensions});
  }
  return facts;
}

// The body for states whose sizes hold in every round; those that change in one are made free.
// States are the inputs from `first` on and the outputs from `first_output` on.
std::unique_ptr<Body> settled_body(const NodeImport& node, Facts inputs, std::size_t first,
                                   std::size_t states, std::size_t first_output) {
  constexpr int kMostTries = 4;
  constexpr int kDeepestLoop = 6;
  if (node.graph().depth() >= kDeepestLoop) {
    node.refuse(fmt::format("it lies in {} other graphs, expected at most {}", node.graph().depth(),
                            kDeepestLoop - 1));
  }
  const onnx::GraphProto& from = node.subgraph("body");
  for (int tries = 0; tries < kMostTries; ++tries) {
    auto body = std::make_unique<Body>(node, from, inputs);
    if (body->results.size() < first_output + states) {
      node.refuse(
          fmt::format("its body gives {} values for {} states", body->results.size(), states));
    }
    bool is_settled = true;
    for (std::size_t i = 0; i < states; ++i) {
      Dimensions& state = inputs[first + i].dimensions;
      const Dimensions& after = body->results[first_output + i].dimensions;
      // What does not fit is for the operator's rule to say, which settles sizes in the same way.
      if (state.size() != after.size()) continue;
      is_settled = !free_what_changes(state, after, tries > 1) && is_settled;
    }
    if (is_settled) return body;
  }
  node.refuse("the sizes of its states do not settle");
}

// One value, with the number of axes that the body says, 0 unless it is 1.
Fact one_value(const NodeImport& node, int input, DType type) {
  const onnx::GraphProto& body = node.subgraph("body");
  const bool is_said = input < body.input_size() && body.input(input).type().has_tensor_type();
  if (is_said && body.input(input).type().tensor_type().shape().dim_size() == 1) return {type, {1}};
  return {type, {}};
}

void import_loop(const NodeImport& node) {
  const std::size_t given = std::max<std::size_t>(node.inputs().size(), 2);
  const std::size_t states = given - 2;
  Facts inputs = {one_value(node, 0, DType::kInt64), one_value(node, 1, DType::kBool)};
  for (Fact& fact : facts_of_inputs(node, 2, states)) inputs.push_back(std::move(fact));
  const auto body = settled_body(node, std::move(inputs), 2, states, 1);
  std::vector<ValueId> read = node.inputs();
  read.resize(given, kNoValue);
  const std::vector<ValueId> captures = body->graph.captures();
  read.insert(read.end(), captures.begin(), captures.end());
  node.emit(op::Loop{std::make_shared<Graph>(body->graph.finish(body->outputs)),
                     static_cast<std::int64_t>(states)},
            std::move(read));
}

// The axes and directions of sequences, `count` of them; all along the first axis unless said.
std::vector<op::ScanAxis> scan_axes(const NodeImport& node, std::string_view axes_name,
                                    std::string_view directions_name, std::size_t count) {
  const std::vector<std::int64_t> axes = node.integers(axes_name);
  const std::vector<std::int64_t> directions = node.integers(directions_name);
  std::vector<op::ScanAxis> result(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (i < axes.size()) result[i].axis = axes[i];
    if (i < directions.size()) result[i].reverse = directions[i] != 0;
  }
  return result;
}

void import_scan(const NodeImport& node) {
  if (node.opset() < 9) {
    node.refuse(fmt::format("it is of opset {}, expected 9 or newer", node.opset()));
  }
  const std::size_t given = node.inputs().size();
  const std::int64_t sequences = node.integer("num_scan_inputs", 0);
  if (sequences < 1 || sequences > static_cast<std::int64_t>(given)) {
    node.refuse(fmt::format("{} of its {} inputs are sequences", sequences, given));
  }
  op::Scan scan;
  const std::size_t states = given - static_cast<std::size_t>(sequences);
  scan.states = static_cast<std::int64_t>(states);
  scan.inputs = scan_axes(node, "scan_input_axes", "scan_input_directions",
                          static_cast<std::size_t>(sequences));
  Facts inputs = facts_of_inputs(node, 0, given);
  for (std::size_t i = 0; i < scan.inputs.size(); ++i) {
    Dimensions& entry = inputs[states + i].dimensions;
    const std::size_t axis = axis_of(scan.inputs[i].axis, entry.size());
    entry.erase(entry.begin() + static_cast<std::ptrdiff_t>(axis));
  }
  const auto body = settled_body(node, std::move(inputs), 0, states, 0);
  scan.outputs =
      scan_axes(node, "scan_output_axes", "scan_output_directions", body->results.size() - states);
  std::vector<ValueId> read = node.inputs();
  const std::vector<ValueId> captures = body->graph.captures();
  read.insert(read.end(), captures.begin(), captures.end());
  scan.body = std::make_shared<Graph>(body->graph.finish(body->outputs));
  node.emit(std::move(scan), std::move(read));
}

constexpr std::array kControlImporters = {
    ImporterRow{"RNN", import_recurrent<op::RecurrentKind::kRnn>},
    ImporterRow{"GRU", import_recurrent<op::RecurrentKind::kGru>},
    ImporterRow{"LSTM", import_recurrent<op::RecurrentKind::kLstm>},
    ImporterRow{"If", import_if},
    ImporterRow{"Loop", import_loop},
    ImporterRow{"Scan", import_scan},
};

}  // namespace

std::span<const ImporterRow> control_importers() { return kControlImporters; }

}  // namespace narrow
