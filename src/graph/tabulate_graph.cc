#include "graph/tabulate_graph.h"

#include <cstddef>
#include <set>
#include <vector>

#include "graph/operators.h"

namespace narrow {

GraphTable tabulate_graph(const Graph& graph, const ShapeTable& shapes) {
  const auto result = [&](ValueId id) { return to_string(shapes[static_cast<std::size_t>(id)]); };
  GraphTable table;
  table.name = graph.name;
  std::vector<int> maker(graph.values.size(), -1);  // the row of each value
  for (const ValueId id : graph.inputs) {
    maker[static_cast<std::size_t>(id)] = static_cast<int>(table.rows.size());
    table.rows.push_back({"input", graph.value(id).name, "", result(id), 0, 0, {}, {}});
  }
  for (const Node& node : graph.nodes) {
    GraphRow row;
    row.op = operator_of(node).name;
    row.name = node.name;
    row.attributes = describe(node.attributes);
    row.result = result(node.output());
    row.multiply_adds = static_cast<std::uint64_t>(multiply_adds(graph, node, shapes));
    std::set<std::size_t> sources;
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      const int source = maker[static_cast<std::size_t>(id)];
      if (source >= 0) sources.insert(static_cast<std::size_t>(source));
      const Weight* const weight = graph.weight_of(id);
      if (weight == nullptr) continue;
      row.parameters += element_count(weight->shape);
      row.weights.push_back(weight->name);
    }
    row.sources.assign(sources.begin(), sources.end());
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) maker[static_cast<std::size_t>(id)] = static_cast<int>(table.rows.size());
    }
    table.parameters += row.parameters;
    table.multiply_adds += row.multiply_adds;
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace narrow
