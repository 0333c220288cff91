#include "graph/drop_identities.h"

#include <algorithm>
#include <vector>

#include "graph/prune_graph.h"
#include "graph/shapes.h"

namespace narrow {
namespace {

bool makes_one_result(const Node& node) {
  return std::ranges::count(node.outputs, kNoValue) + 1 == std::ssize(node.outputs);
}

bool passes_on(const Node& node, const FactTable& facts) {
  if (!makes_one_result(node) || node.output() == kNoValue) return false;
  const auto* const cast = std::get_if<op::Cast>(&node.attributes);
  if ((cast != nullptr && cast->small == SmallType::kNone) ||
      std::holds_alternative<op::CastLike>(node.attributes)) {
    return facts[static_cast<std::size_t>(node.inputs[0])].type ==
           facts[static_cast<std::size_t>(node.output())].type;
  }
  return std::holds_alternative<op::Identity>(node.attributes) ||
         std::holds_alternative<op::Dropout>(node.attributes);
}

}  // namespace

void drop_identities(Graph& graph) {
  const FactTable facts = infer_facts(graph);
  std::vector<ValueId> source(graph.values.size());  // what to read for each value
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<ValueId>(i);
  for (Node& node : graph.nodes) {
    for (ValueId& id : node.inputs) {
      if (id != kNoValue) id = source[static_cast<std::size_t>(id)];
    }
    if (passes_on(node, facts)) source[static_cast<std::size_t>(node.output())] = node.inputs[0];
  }
  remove_unused(graph);
}

}  // namespace narrow
