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
#include "model/onnx/onnx_network.h"
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

// The small types of values: of inputs and constants the graph says them, of others what makes
// them.
std::vector<SmallType> find_small_types(const Graph& graph) {
  std::vector<SmallType> types;
  for (const Value& value : graph.values) types.push_back(value.small);
  const auto at = [&](ValueId id) -> SmallType& { return types[static_cast<std::size_t>(id)]; };
  for (const Node& node : graph.nodes) {
    if (const auto* const cast = std::get_if<op::Cast>(&node.attributes)) {
      at(node.output()) = cast->small;
    } else if (const auto* const quantize = std::get_if<op::QuantizeLinear>(&node.attributes)) {
      at(node.output()) = quantize->small;
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
    for (const SmallType small : small_types_) {
      shared_.opset = std::max(shared_.opset, first_opset(small));
    }
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
      set_type({value.type, value.dimensions}, value.small, input);
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

  // A graph in a node. It has so many inputs of its own; the others are values of these names.
  void export_branch(std::size_t own_inputs, const std::vector<std::string>& outer,
                     const std::string& prefix) {
    for (std::size_t i = 0; i < own_inputs; ++i) {
      const ValueId id = graph_.inputs[i];
      const Value& value = graph_.value(id);
      name(id, prefixed(prefix, value.name));
      onnx::ValueInfoProto& input = *to_.add_input();
      input.set_name(name_of(id));
      set_type({value.type, value.dimensions}, value.small, input);
    }
    for (std::size_t i = 0; i < outer.size(); ++i) names_[graph_.inputs[own_inputs + i]] = outer[i];
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
    node.set_name(to);
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
        if (id != kNoValue && !names_.contains(id))
          name(id, prefixed(prefix, graph_.value(id).name));
      }
      add_node(node, prefix);
    }
  }

  void add_node(const Node& node, const std::string& prefix) {
    onnx::NodeProto& made = *to_.add_node();
    made.set_name(prefixed(prefix, node.name));
    made.set_op_type(std::string(operator_of(node).name));
    const std::vector<InnerGraph> graphs = graphs_of(node.attributes);
    // What is read from outside is no input in ONNX.
    const std::size_t inputs = graphs.empty() ? node.inputs.size() : own_inputs(node);
    for (std::size_t i = 0; i < inputs; ++i) made.add_input(name_of(node.inputs[i]));
    for (const ValueId id : node.outputs) made.add_output(name_of(id));
    NodeExport attributes(made, shared_.opset);
    export_attributes(node.attributes, attributes);
    std::vector<std::string> outer;
    for (std::size_t i = inputs; i < node.inputs.size(); ++i) {
      outer.push_back(name_of(node.inputs[i]));
    }
    for (const InnerGraph& inner : graphs) {
      GraphExport(*inner.graph, shared_, attributes.set_graph(inner.name))
          .export_branch(inner.graph->inputs.size() - outer.size(), outer,
                         fmt::format("{}/{}/", made.name(), inner.name));
    }
  }

  struct InnerGraph {
    std::string_view name;
    const Graph* graph = nullptr;
  };
  static std::vector<InnerGraph> graphs_of(const Attributes& attributes) {
    if (const auto* const branches = std::get_if<op::If>(&attributes)) {
      return {{"then_branch", branches->then_branch.get()},
              {"else_branch", branches->else_branch.get()}};
    }
    if (const auto* const loop = std::get_if<op::Loop>(&attributes)) {
      return {{"body", loop->body.get()}};
    }
    if (const auto* const scan = std::get_if<op::Scan>(&attributes)) {
      return {{"body", scan->body.get()}};
    }
    return {};
  }

  // Inputs of an operator with graphs before those that these read from outside.
  static std::size_t own_inputs(const Node& node) {
    if (const auto* const loop = std::get_if<op::Loop>(&node.attributes)) {
      return std::min(node.inputs.size(), static_cast<std::size_t>(loop->states) + 2);
    }
    if (const auto* const scan = std::get_if<op::Scan>(&node.attributes)) {
      return static_cast<std::size_t>(scan->states) + scan->inputs.size();
    }
    return 1;  // the condition
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

void copy_metadata(const CheckpointReader& reader, onnx::ModelProto& model) {
  if (!is_onnx(reader)) return;
  for (const auto& [key, value] : reader.metadata()) {
    if (key.starts_with("narrow.")) continue;
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
}

}  // namespace narrow
