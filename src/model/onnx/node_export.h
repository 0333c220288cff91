// One node of an ONNX model on its way out of a graph.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "graph/attributes.h"
#include "graph/operators/small_types.h"
#include "onnx_model.pb.h"

namespace narrow {

class NodeExport {
 public:
  // `opset` becomes the highest that any node needs.
  NodeExport(onnx::NodeProto& node, std::int64_t& opset) : node_(node), opset_(opset) {}

  // That the operator as it is here exists from this opset on.
  void require_opset(std::int64_t opset) { opset_ = std::max(opset_, opset); }
  [[nodiscard]] bool has_input(int index) const {
    return index < node_.input_size() && !node_.input(index).empty();
  }

  void set(std::string_view name, std::int64_t value);
  void set(std::string_view name, bool value) { set(name, std::int64_t{value ? 1 : 0}); }
  void set(std::string_view name, double value);
  void set(std::string_view name, std::string_view value);
  void set(std::string_view name, const char* value) { set(name, std::string_view(value)); }
  // Left out when there are none.
  void set(std::string_view name, std::span<const std::int64_t> values);
  void set(std::string_view name, std::span<const double> values);
  void set(std::string_view name, std::span<const std::string> values);
  void set(std::string_view name, onnx::TensorProto value);
  onnx::GraphProto& set_graph(std::string_view name);

 private:
  onnx::AttributeProto& add(std::string_view name, onnx::AttributeProto::AttributeType type);

  onnx::NodeProto& node_;
  std::int64_t& opset_;
};

// In which tensors of this type may be.
std::int64_t first_opset(SmallType small);

// Sets the node's attributes but for graphs, as ONNX has them from the opset that it then requires.
void export_attributes(const Attributes& attributes, NodeExport& node);

}  // namespace narrow
