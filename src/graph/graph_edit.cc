#include "graph/graph_edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "graph/prune_graph.h"
#include "tensor/element_values.h"

namespace narrow {

GraphEdit::GraphEdit(const Graph& graph) : graph_(graph) {
  for (const Value& value : graph_.values) value_names_.insert(value.name);
  for (const Node& node : graph_.nodes) node_names_.insert(node.name);
}

std::string GraphEdit::unique(std::set<std::string>& taken, const std::string& name) {
  std::string found = name;
  for (int number = 2; !taken.insert(found).second; ++number) {
    found = fmt::format("{}_{}", name, number);
  }
  return found;
}

ValueId GraphEdit::new_value(const std::string& name) {
  Value value;
  value.name = unique(value_names_, name);
  graph_.values.push_back(std::move(value));
  return static_cast<ValueId>(graph_.values.size()) - 1;
}

ValueId GraphEdit::constant(const std::string& name, Constant constant, SmallType small) {
  const ValueId id = new_value(name);
  graph_.values.back().small = small;
  graph_.values.back().constant = static_cast<int>(graph_.constants.size());
  graph_.constants.push_back(std::move(constant));
  return id;
}

ValueId GraphEdit::integers(const std::string& name, DType type, Shape shape,
                            const std::vector<std::int64_t>& values) {
  return constant(name, {type, std::move(shape), encode_integers(type, values)});
}

ValueId GraphEdit::reals(const std::string& name, const std::vector<double>& values) {
  Shape shape = {static_cast<std::int64_t>(values.size())};
  if (values.size() == 1) shape.clear();
  return constant(name, {DType::kFloat32, std::move(shape), encode_reals(DType::kFloat32, values)});
}

Node GraphEdit::make(const std::string& name, Attributes attributes, std::vector<ValueId> inputs) {
  Node node;
  node.name = unique(node_names_, name);
  node.attributes = std::move(attributes);
  node.inputs = std::move(inputs);
  node.outputs = {new_value(name)};
  return node;
}

ValueId GraphEdit::add_before(int index, const std::string& name, Attributes attributes,
                              std::vector<ValueId> inputs) {
  std::vector<Node>& nodes = before_[index];
  nodes.push_back(make(name, std::move(attributes), std::move(inputs)));
  return nodes.back().output();
}

ValueId GraphEdit::add_after(int index, const std::string& name, Attributes attributes,
                             std::vector<ValueId> inputs) {
  std::vector<Node>& nodes = after_[index];
  nodes.push_back(make(name, std::move(attributes), std::move(inputs)));
  return nodes.back().output();
}

void GraphEdit::swap_results(int index, ValueId added) {
  const ValueId result = node(index).output();
  for (Node& made : after_[index]) {
    std::ranges::replace(made.inputs, result, added);
    if (made.output() == added) made.outputs.front() = result;
  }
  node(index).outputs.front() = added;
}

void GraphEdit::read_instead(const std::vector<ValueId>& by) {
  for (Node& node : graph_.nodes) {
    for (ValueId& id : node.inputs) {
      if (id == kNoValue || id >= static_cast<ValueId>(by.size())) continue;
      if (by[static_cast<std::size_t>(id)] != kNoValue) id = by[static_cast<std::size_t>(id)];
    }
  }
}

Graph GraphEdit::finish() {
  std::vector<Node> nodes;
  const auto take = [&](std::map<int, std::vector<Node>>& from, int index) {
    const auto found = from.find(index);
    if (found == from.end()) return;
    std::ranges::move(found->second, std::back_inserter(nodes));
  };
  take(before_, -1);
  take(after_, -1);
  for (int i = 0; i < static_cast<int>(graph_.nodes.size()); ++i) {
    take(before_, i);
    if (!removed_.contains(i))
      nodes.push_back(std::move(graph_.nodes[static_cast<std::size_t>(i)]));
    take(after_, i);
  }
  graph_.nodes = std::move(nodes);
  remove_unused(graph_);
  check(graph_);
  return std::move(graph_);
}

}  // namespace narrow
