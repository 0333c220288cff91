// Operators with a state, and with graphs of their own.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "graph/rules/fact_rules.h"
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
  recurrent.hidden = node.integer("hidden_size", node.fact(2).dimensions.back().size);
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

constexpr std::array kImporters = {
    ImporterRow{"RNN", import_recurrent<op::RecurrentKind::kRnn>},
    ImporterRow{"GRU", import_recurrent<op::RecurrentKind::kGru>},
    ImporterRow{"LSTM", import_recurrent<op::RecurrentKind::kLstm>},
    ImporterRow{"If", import_if},
};

}  // namespace

std::span<const ImporterRow> control_importers() { return kImporters; }

}  // namespace narrow
