// Changes to a graph whose nodes keep their indices while it is read.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace narrow {

class GraphEdit {
 public:
  explicit GraphEdit(const Graph& graph);

  [[nodiscard]] Node& node(int index) { return graph_.nodes[static_cast<std::size_t>(index)]; }
  [[nodiscard]] const Graph& graph() const { return graph_; }

  // Values and nodes get this name, or it with a number.
  ValueId constant(const std::string& name, Constant constant, SmallType small = SmallType::kNone);
  // Integers of this type, or float32 numbers; a vector, or no axis for one number alone.
  ValueId integers(const std::string& name, DType type, Shape shape,
                   const std::vector<std::int64_t>& values);
  ValueId reals(const std::string& name, const std::vector<double>& values);
  // The result of a new node that comes before the one of this index; -1: before all.
  ValueId add_before(int index, const std::string& name, Attributes attributes,
                     std::vector<ValueId> inputs);
  // The same right behind it.
  ValueId add_after(int index, const std::string& name, Attributes attributes,
                    std::vector<ValueId> inputs);
  // Exchanges the result of a node with that of one that was added behind it, so that the readers
  // of the former read the latter.
  void swap_results(int index, ValueId added);
  void remove(int index) { removed_.insert(index); }
  // Lets the nodes that were there at the beginning read `by[id]` instead of a value that was
  // there, where that is one.
  void read_instead(const std::vector<ValueId>& by);

  // The graph without what nothing reads, checked.
  Graph finish();

 private:
  ValueId new_value(const std::string& name);
  std::string unique(std::set<std::string>& taken, const std::string& name);
  Node make(const std::string& name, Attributes attributes, std::vector<ValueId> inputs);

  Graph graph_;
  std::set<std::string> value_names_;
  std::set<std::string> node_names_;
  std::map<int, std::vector<Node>> before_;
  std::map<int, std::vector<Node>> after_;
  std::set<int> removed_;
};

}  // namespace narrow
