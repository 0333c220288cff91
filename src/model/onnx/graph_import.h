// A graph while it is imported from an ONNX model: values by their names there, and what is known
// of them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graph/facts.h"
#include "graph/graph.h"
#include "onnx_model.pb.h"

namespace narrow {

class GraphImport {
 public:
  explicit GraphImport(std::string name) { graph_.name = std::move(name); }

  void add_input(const onnx::ValueInfoProto& input);
  // A weight or a constant, whose name in the graph it keeps. The tensor must live until finish().
  void add_tensor(const std::string& name, const onnx::TensorProto& tensor);
  void add_constant(const std::string& name, Constant constant);

  // Throws Error(kCorrupt) when no value of this name has been made; `who` reads it.
  [[nodiscard]] ValueId find(const std::string& name, const std::string& who) const;
  [[nodiscard]] const Fact& fact(ValueId id) const { return facts_[static_cast<std::size_t>(id)]; }
  void set_role(ValueId id, WeightRole role);

  // A name that no node has yet: this one, or it with a number.
  std::string unique_node_name(const std::string& name);
  // Outputs by their names in the model; empty for one that is left out.
  void add_node(const std::string& name, Attributes attributes, std::vector<ValueId> inputs,
                const std::vector<std::string>& outputs);
  // A value of the import's own.
  ValueId add_own_constant(const std::string& name, Constant constant);
  ValueId add_own_node(const std::string& name, Attributes attributes, std::vector<ValueId> inputs);

  // The graph without what nothing reads, checked.
  Graph finish(const std::vector<std::string>& outputs);

 private:
  ValueId new_value(const std::string& name, Fact fact);
  ValueId new_constant(const std::string& name, Constant constant);
  void hold(ValueId id, Constant constant);
  // Tensors become weights or constants.
  void settle_tensors();
  // Makes the name known in the model.
  void define(const std::string& name, ValueId id);

  Graph graph_;
  std::vector<Fact> facts_;                // by ValueId
  std::map<std::string, ValueId> values_;  // by name in the model
  std::set<std::string> value_names_;
  std::set<std::string> node_names_;
  std::map<ValueId, const onnx::TensorProto*> tensors_;  // of floating-point types
  std::map<ValueId, WeightRole> roles_;
  std::uint64_t constant_bytes_ = 0;
};

}  // namespace narrow
