#include "graph/tabulate_graph.h"

#include <cstddef>

#include "graph/operators.h"

namespace narrow {

GraphTable tabulate_graph(const Graph& graph, const ShapeTable& shapes) {
  const auto result = [&](ValueId id) { return to_string(shapes[static_cast<std::size_t>(id)]); };
  GraphTable table;
  table.name = graph.name;
  for (const ValueId id : graph.inputs) {
    table.rows.push_back({"input", graph.value(id).name, "", result(id), 0, 0, {}});
  }
  for (const Node& node : graph.nodes) {
    GraphRow row;
    row.op = operator_of(node).name;
    row.name = node.name;
    row.attributes = describe(node.attributes);
    row.result = result(node.output());
    row.multiply_adds = static_cast<std::uint64_t>(multiply_adds(graph, node, shapes));
    for (const ValueId id : node.inputs) {
      const Weight* const weight = graph.weight_of(id);
      if (weight == nullptr) continue;
      row.parameters += element_count(weight->shape);
      row.weights.push_back(weight->name);
    }
    table.parameters += row.parameters;
    table.multiply_adds += row.multiply_adds;
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace narrow
