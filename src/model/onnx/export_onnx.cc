#include "model/onnx/export_onnx.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "graph/operators.h"
#include "graph/shapes.h"
#include "model/onnx/node_export.h"
#include "model/onnx/onnx_elements.h"
#include "narrow/error.h"
#include "narrow/version.h"

namespace narrow {
namespace {

constexpr std::int64_t kOldestOpset = 17;
constexpr std::int64_t kFirstOpsetOfBFloat16 = 22;  // in Conv, pools and others

// https://github.com/onnx/onnx/blob/main/docs/Versioning.md
std::int64_t ir_version_of(std::int64_t opset) {
  constexpr std::array<std::int64_t, 9> kVersions = {8, 8, 9, 9, 10, 10, 11, 12, 13};
  return kVersions.at(static_cast<std::size_t>(opset - kOldestOpset));
}

void set_type(const Fact& fact, SmallType small, onnx::ValueInfoProto& to) {
  auto& tensor = *to.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx_type_of(fact.type, small));
  auto& shape = *tensor.mutable_shape();
  for (const Dimension& dimension : fact.dimensions) {
    auto& size = *shape.add_dim();
    if (!dimension.is_free()) {
      size.set_dim_value(dimension.size);
    } else if (!dimension.symbol.empty()) {
      size.set_dim_param(dimension.symbol);
    }
  }
}

// The small types of values, which a graph holds in wider ones. Only a cast or a quantization says
// one; a constant that shifts such codes has theirs.
std::vector<SmallType> find_small_types(const Graph& graph) {
  std::vector<SmallType> types(graph.values.size(), SmallType::kNone);
  const auto at = [&](ValueId id) -> SmallType& { return types[static_cast<std::size_t>(id)]; };
  const auto set_zero_point = [&](const Node& node, SmallType type) {
    const bool has_zero = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
    if (has_zero && graph.constant_of(node.inputs[2]) != nullptr) at(node.inputs[2]) = type;
  };
  for (const Node& node : graph.nodes) {
    if (const auto* const cast = std::get_if<op::Cast>(&node.attributes)) {
      at(node.output()) = cast->small;
    } else if (const auto* const quantize = std::get_if<op::QuantizeLinear>(&node.attributes)) {
      at(node.output()) = quantize->small;
      set_zero_point(node, quantize->small);
    } else if (std::holds_alternative<op::DequantizeLinear>(node.attributes)) {
      set_zero_point(node, at(node.inputs[0]));
    }
  }
  return types;
}

// Names in a branch that was imported begin with the branch's already.
std::string prefixed(const std::string& prefix, const std::string& name) {
  return name.starts_with(prefix) ? name : prefix + name;
}

// What the graph of a model shares with those in its nodes.
struct Shared {
  std::int64_t opset = kOldestOpset;
  std::set<std::string> names;  // of values, which no two graphs of a model may have

  std::string unique(const std::string& name) {
    std::string result = name;
    for (int number = 2; !names.insert(result).second; ++number) {
      result = fmt::format("{}_{}", name, number);
    }
    return result;
  }
};

class GraphExport {
 public:
  GraphExport(const Graph& graph, Shared& shared, onnx::GraphProto& to)
      : graph_(graph), shared_(shared), to_(to), small_types_(find_small_types(graph)) {
    to.set_name(graph.name);
  }

  void export_model() {
    const FactTable facts = infer_facts(graph_);
    for (const Fact& fact : facts) {
      if (fact.type == DType::kBFloat16) {
        shared_.opset = std::max(shared_.opset, kFirstOpsetOfBFloat16);
      }
    }
    // The names of inputs and outputs are promised, so these come first.
    for (const ValueId id : graph_.inputs) {
      name(id, graph_.value(id).name);
      onnx::ValueInfoProto& input = *to_.add_input();
      input.set_name(name_of(id));
      const Value& value = graph_.value(id);
      set_type({value.type, value.dimensions}, SmallType::kNone, input);
    }
    std::vector<std::string> outputs;
    for (const ValueId id : graph_.outputs) {
      const bool is_taken = names_.contains(id) || graph_.is_stored(id);
      outputs.push_back(shared_.unique(graph_.value(id).name));
      if (!is_taken) names_[id] = outputs.back();
    }
    add_stored("");
    add_nodes("");
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const ValueId id = graph_.outputs[i];
      if (name_of(id) != outputs[i]) add_identity(name_of(id), outputs[i]);
      onnx::ValueInfoProto& output = *to_.add_output();
      output.set_name(outputs[i]);
      set_type(facts[static_cast<std::size_t>(id)], small_types_[static_cast<std::size_t>(id)],
               output);
    }
  }

  // A graph in a node that has inputs of these names.
  void export_branch(const std::vector<std::string>& inputs, const std::string& prefix) {
    for (std::size_t i = 0; i < inputs.size(); ++i) names_[graph_.inputs[i]] = inputs[i];
    add_stored(prefix);
    add_nodes(prefix);
    // What a branch gives has to be made in it, each value once.
    std::set<std::string> given;
    for (const ValueId id : graph_.outputs) {
      std::string output = name_of(id);
      if (graph_.producer(id) < 0 || !given.insert(output).second) {
        output = shared_.unique(prefix + "output");
        add_identity(name_of(id), output);
      }
      to_.add_output()->set_name(output);
    }
  }

 private:
  void name(ValueId id, const std::string& wanted) { names_[id] = shared_.unique(wanted); }
  [[nodiscard]] const std::string& name_of(ValueId id) const {
    static const std::string none;
    return id == kNoValue ? none : names_.at(id);
  }

  void add_identity(const std::string& from, const std::string& to) {
    onnx::NodeProto& node = *to_.add_node();
    node.add_input(from);
    node.add_output(to);
    node.set_op_type("Identity");
  }

  // Weights first, whose names are the checkpoint's.
  void add_stored(const std::string& prefix) {
    std::vector<ValueId> weights(graph_.weights.size(), kNoValue);
    for (ValueId id = 0; id < static_cast<ValueId>(graph_.values.size()); ++id) {
      if (graph_.weight_of(id) == nullptr) continue;
      weights[static_cast<std::size_t>(graph_.value(id).weight)] = id;
    }
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const Weight& weight = graph_.weights[i];
      name(weights[i], weight.name);
      onnx::TensorProto& tensor = *to_.add_initializer();
      tensor.set_name(name_of(weights[i]));
      tensor.set_data_type(onnx_type_of(weight.type, SmallType::kNone));
      for (const std::int64_t size : weight.used_shape()) tensor.add_dims(size);
    }
    for (ValueId id = 0; id < static_cast<ValueId>(graph_.values.size()); ++id) {
      const Constant* const constant = graph_.constant_of(id);
      if (constant == nullptr) continue;
      name(id, prefixed(prefix, graph_.value(id).name));
      *to_.add_initializer() =
          onnx_tensor(name_of(id), *constant, small_types_[static_cast<std::size_t>(id)]);
    }
  }

  void add_nodes(const std::string& prefix) {
    for (const Node& node : graph_.nodes) {
      for (const ValueId id : node.outputs) {
        if (id != kNoValue && !names_.contains(id)) name(id, prefixed(prefix, graph_.value(id).name));
      }
      add_node(node, prefix);
    }
  }

  void add_node(const Node& node, const std::string& prefix) {
    check_codes(node);
    onnx::NodeProto& made = *to_.add_node();
    made.set_name(prefixed(prefix, node.name));
    made.set_op_type(std::string(operator_of(node).name));
    const auto* const branches = std::get_if<op::If>(&node.attributes);
    for (const ValueId id : node.inputs) {
      made.add_input(name_of(id));
      if (branches != nullptr) break;  // what branches read is no input in ONNX
    }
    for (const ValueId id : node.outputs) made.add_output(name_of(id));
    NodeExport attributes(made, shared_.opset);
    if (branches == nullptr) {
      export_attributes(node.attributes, attributes);
      return;
    }
    std::vector<std::string> read;
    for (std::size_t i = 1; i < node.inputs.size(); ++i) read.push_back(name_of(node.inputs[i]));
    const std::array<std::pair<std::string_view, const Graph*>, 2> graphs = {
        {{"then_branch", branches->then_branch.get()},
         {"else_branch", branches->else_branch.get()}}};
    for (const auto& [name, graph] : graphs) {
      GraphExport(*graph, shared_, attributes.set_graph(name))
          .export_branch(read, fmt::format("{}/{}/", made.name(), name));
    }
  }

  void check_codes(const Node& node) const {
    if (!std::holds_alternative<op::DequantizeLinear>(node.attributes)) return;
    const ValueId codes = node.inputs[0];
    const Constant* const constant = graph_.constant_of(codes);
    const bool is_real =
        is_floating_point(constant != nullptr ? constant->type : graph_.value(codes).type);
    const bool is_made = graph_.producer(codes) >= 0;
    if (is_made || !is_real || small_types_[static_cast<std::size_t>(codes)] != SmallType::kNone) {
      return;
    }
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("DequantizeLinear {} reads codes of a floating-point type of 8 bits or "
                            "fewer that lie in the file, which cannot be exported",
                            node.name));
  }

  const Graph& graph_;
  Shared& shared_;
  onnx::GraphProto& to_;
  std::vector<SmallType> small_types_;    // by ValueId
  std::map<ValueId, std::string> names_;  // in the model
};

}  // namespace

onnx::ModelProto export_onnx(const Graph& graph) {
  onnx::ModelProto model;
  Shared shared;
  GraphExport(graph, shared, *model.mutable_graph()).export_model();
  model.set_ir_version(ir_version_of(shared.opset));
  model.set_producer_name("narrow");
  model.set_producer_version(build_info().version);
  model.add_opset_import()->set_version(shared.opset);
  return model;
}

}  // namespace narrow
