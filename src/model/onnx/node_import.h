// One node of an ONNX model on its way into a graph: its attributes and inputs as the importers of
// operators see them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/facts.h"
#include "graph/graph.h"
#include "graph/operators.h"
#include "model/onnx/flat_nodes.h"
#include "model/onnx/graph_import.h"
#include "onnx_model.pb.h"

namespace narrow {

class NodeImport {
 public:
  NodeImport(GraphImport& graph, const FlatNode& flat);

  // Of the operator's domain.
  [[nodiscard]] std::int64_t opset() const { return opset_; }
  // Throws Error(kUnsupported), with the node's operator and name before `what`.
  [[noreturn]] void refuse(const std::string& what) const;

  // Attributes; throw Error(kCorrupt) for one of another type.
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  [[nodiscard]] bool flag(std::string_view name, bool otherwise) const;
  [[nodiscard]] double real(std::string_view name, double otherwise) const;
  [[nodiscard]] std::string text(std::string_view name, std::string_view otherwise) const;
  // The place of the attribute's text among `texts`, as an enumerator; refuses another.
  template <typename Enumeration>
  [[nodiscard]] Enumeration choice(std::string_view name, std::string_view otherwise,
                                   std::span<const std::string_view> texts) const {
    return static_cast<Enumeration>(place_of_text(name, otherwise, texts));
  }
  [[nodiscard]] std::vector<std::int64_t> integers(std::string_view name) const;
  [[nodiscard]] std::vector<double> reals(std::string_view name) const;
  [[nodiscard]] const onnx::TensorProto* tensor(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> texts(std::string_view name) const;
  // Throws Error(kCorrupt) when there is none.
  [[nodiscard]] const onnx::GraphProto& subgraph(std::string_view name) const;

  // kNoValue for one that is left out.
  [[nodiscard]] ValueId input(std::size_t index) const;
  [[nodiscard]] const std::vector<ValueId>& inputs() const { return inputs_; }
  // Throws Error(kCorrupt) when the input is left out.
  [[nodiscard]] const Fact& fact(std::size_t index) const;
  [[nodiscard]] std::size_t rank(std::size_t index) const { return fact(index).dimensions.size(); }
  [[nodiscard]] SmallType small_type(std::size_t index) const;
  // Takes the input as a weight of this role from now on, if it is one.
  void set_role(std::size_t index, WeightRole role) const;
  [[nodiscard]] std::size_t output_count() const;
  [[nodiscard]] bool has_output(std::size_t index) const;

  // Values beside the node's own; their names begin with the node's.
  ValueId constant(std::string_view suffix, Constant constant) const;
  ValueId make(std::string_view suffix, Attributes attributes, std::vector<ValueId> inputs) const;

  // The node itself, with its outputs; inputs that are left out at the end are cut off.
  void emit(Attributes attributes, std::vector<ValueId> inputs) const;
  void emit(Attributes attributes) const { emit(std::move(attributes), inputs_); }
  // The node is this tensor, which is a weight of the checkpoint unless a function holds it.
  void emit_tensor(const onnx::TensorProto& tensor) const;
  void emit_constant(Constant constant) const;

  // For nodes that have graphs.
  [[nodiscard]] GraphImport& graph() const { return graph_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::vector<std::string> output_names() const {
    return {node_.output().begin(), node_.output().end()};
  }

 private:
  // Cuts off inputs that are left out at the end; refuses others than the operator takes.
  void settle_inputs(const Operator& row, std::vector<ValueId>& inputs) const;
  [[nodiscard]] std::size_t place_of_text(std::string_view name, std::string_view otherwise,
                                          std::span<const std::string_view> texts) const;
  [[nodiscard]] const onnx::AttributeProto* find(std::string_view name) const;
  [[nodiscard]] const onnx::AttributeProto* find(std::string_view name,
                                                 onnx::AttributeProto::AttributeType type) const;

  GraphImport& graph_;
  const onnx::NodeProto& node_;
  std::int64_t opset_;
  bool in_function_;
  std::string name_;
  std::vector<ValueId> inputs_;
};

using NodeImporter = void (*)(const NodeImport& node);

// By operator's name; null for one that is not known.
NodeImporter find_importer(std::string_view op_type);

// Those of QONNX's domains.
NodeImporter find_qonnx_importer(std::string_view op_type);
// Those of the domain com.microsoft.
NodeImporter find_microsoft_importer(std::string_view op_type);
// The window of a pool.
Window pool_window_of(const NodeImport& node);

struct ImporterRow {
  std::string_view op_type;
  NodeImporter import = nullptr;
};
// The parts of the table.
std::span<const ImporterRow> window_importers();
std::span<const ImporterRow> norm_importers();
std::span<const ImporterRow> elementwise_importers();
std::span<const ImporterRow> movement_importers();
std::span<const ImporterRow> index_importers();
std::span<const ImporterRow> reduce_importers();
std::span<const ImporterRow> quantized_importers();
std::span<const ImporterRow> control_importers();
// Those that only the domain com.microsoft has.
std::span<const ImporterRow> microsoft_importers();

}  // namespace narrow
