// A graph while it is imported from an ONNX model: values by their names there, and what is known
// of them.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graph/facts.h"
#include "graph/graph.h"
#include "model/onnx/flat_nodes.h"
#include "onnx_model.pb.h"

namespace narrow {

class GraphImport {
 public:
  // `model` must live as long as this. With `parent` it is the graph of an attribute, which reads
  // values of the parent too and holds all its tensors itself.
  GraphImport(std::string name, const onnx::ModelProto& model, GraphImport* parent = nullptr)
      : model_(model), parent_(parent) {
    graph_.name = std::move(name);
  }
  [[nodiscard]] const onnx::ModelProto& model() const { return model_; }
  // How many graphs it lies in.
  [[nodiscard]] int depth() const { return parent_ == nullptr ? 0 : parent_->depth() + 1; }
  // Whether the next If whose condition is not known is expected to take its else branch: bit i is
  // for the i-th of them in this graph and those within it.
  void expect_else(std::uint64_t bits) { else_bits_ = bits; }
  // How many of them there were, and how many nodes.
  [[nodiscard]] int counted_branches() const { return counted_branches_; }
  [[nodiscard]] std::size_t counted_nodes() const { return counted_nodes_; }
  bool expects_else() {
    if (parent_ != nullptr) return parent_->expects_else();
    const int bit = counted_branches_++;
    return bit < 64 && (else_bits_ >> bit & 1) != 0;
  }
  // Keeps the nodes until this is gone, for their tensors. Throws Error(kUnsupported) for too many
  // in all graphs of the model together, or graphs too deep within others.
  const std::vector<FlatNode>& keep(std::vector<FlatNode> nodes);

  void add_input(const onnx::ValueInfoProto& input);
  // One of which this is known, not what the model says.
  void add_input(const std::string& name, const Fact& fact);
  // A weight or a constant, whose name in the graph it keeps. The tensor must live until finish().
  void add_tensor(const std::string& name, const onnx::TensorProto& tensor);
  void add_constant(const std::string& name, Constant constant);

  // Throws Error(kCorrupt) when no value of this name has been made; `who` reads it.
  ValueId find(const std::string& name, const std::string& who);
  [[nodiscard]] const Fact& fact(ValueId id) const { return facts_[static_cast<std::size_t>(id)]; }
  void set_role(ValueId id, WeightRole role);
  // The type that the model gives a value, where the graph has a wider one.
  [[nodiscard]] SmallType small_type(ValueId id) const;
  void set_small_type(ValueId id, SmallType type);

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

  // Values of the parent that are inputs of this graph, in the order of these.
  [[nodiscard]] const std::vector<ValueId>& captures() const { return captures_; }
  // Makes exactly these values of the parent the inputs, in this order; they have all of
  // captures().
  void set_captures(const std::vector<ValueId>& captures);
  // Adds the nodes of a branch that is finished, with these inputs; its outputs get these names,
  // those of its nodes begin with `prefix`.
  void splice(const Graph& branch, const std::vector<ValueId>& inputs, const std::string& prefix,
              const std::vector<std::string>& outputs);

 private:
  // The value of this name, taken from the parent if need be; kNoValue when there is none.
  ValueId find_or_capture(const std::string& name);
  ValueId capture(ValueId id);
  GraphImport& root() { return parent_ == nullptr ? *this : parent_->root(); }
  ValueId new_value(const std::string& name, Fact fact);
  ValueId new_constant(const std::string& name, Constant constant);
  void hold(ValueId id, Constant constant);
  // Tensors become weights or constants.
  void settle_tensors();
  // Makes the name known in the model.
  void define(const std::string& name, ValueId id);

  const onnx::ModelProto& model_;
  GraphImport* parent_;
  std::vector<FlatNode> nodes_;
  std::uint64_t else_bits_ = 0;
  int counted_branches_ = 0;
  std::size_t counted_nodes_ = 0;
  std::size_t kept_nodes_ = 0;  // of this and those within it
  std::vector<ValueId> captures_;
  Graph graph_;
  std::vector<Fact> facts_;                // by ValueId
  std::map<std::string, ValueId> values_;  // by name in the model
  std::set<std::string> value_names_;
  std::set<std::string> node_names_;
  std::map<ValueId, const onnx::TensorProto*> tensors_;  // of floating-point types
  std::map<ValueId, WeightRole> roles_;
  std::map<ValueId, SmallType> small_types_;
  std::uint64_t constant_bytes_ = 0;
};

// The initializers and nodes of `from`, which is the model's graph or one of an attribute.
// Throws as import_onnx does.
void import_nodes(GraphImport& graph, const onnx::GraphProto& from);

}  // namespace narrow
