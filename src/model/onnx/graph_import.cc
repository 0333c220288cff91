#include "model/onnx/graph_import.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/constants.h"
#include "graph/operators.h"
#include "graph/prune_graph.h"
#include "model/onnx/import_onnx.h"
#include "model/onnx/onnx_elements.h"
#include "narrow/error.h"

namespace narrow {
namespace {

Dimensions dimensions_of(const onnx::TensorShapeProto& shape) {
  Dimensions dimensions;
  for (const auto& dimension : shape.dim()) {
    if (dimension.has_dim_param()) {
      dimensions.push_back(Dimension::free(dimension.dim_param()));
    } else if (dimension.has_dim_value() && dimension.dim_value() >= 0) {
      dimensions.emplace_back(dimension.dim_value());
    } else {
      dimensions.emplace_back();
    }
  }
  return dimensions;
}

}  // namespace

ValueId GraphImport::new_value(const std::string& name, Fact fact) {
  std::string unique = name;
  for (int number = 2; !value_names_.insert(unique).second; ++number) {
    unique = fmt::format("{}_{}", name, number);
  }
  Value value;
  value.name = unique;
  graph_.values.push_back(std::move(value));
  facts_.push_back(std::move(fact));
  return static_cast<ValueId>(graph_.values.size()) - 1;
}

void GraphImport::define(const std::string& name, ValueId id) {
  if (values_.emplace(name, id).second) return;
  throw Error(ErrorCategory::kCorrupt, fmt::format("the value {} is made twice", name));
}

void GraphImport::hold(ValueId id, Constant constant) {
  constant_bytes_ += constant.bytes.size();
  if (constant_bytes_ > kMostConstantBytes) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the constants of {} that are no weights take more than {} bytes",
                            graph_.name, kMostConstantBytes));
  }
  graph_.values[static_cast<std::size_t>(id)].constant = static_cast<int>(graph_.constants.size());
  graph_.constants.push_back(std::move(constant));
}

ValueId GraphImport::new_constant(const std::string& name, Constant constant) {
  check(constant);
  const ValueId id = new_value(name, fact_of(constant));
  hold(id, std::move(constant));
  return id;
}

void GraphImport::add_input(const onnx::ValueInfoProto& input) {
  const std::string& name = input.name();
  if (!input.type().has_tensor_type() || !input.type().tensor_type().has_shape()) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the input {} is no tensor with a known number of axes", name));
  }
  const auto& type = input.type().tensor_type();
  Fact fact;
  try {
    fact = {dtype_of_onnx(type.elem_type()), dimensions_of(type.shape())};
  } catch (const Error& error) {
    throw Error(error.category(), fmt::format("the input {}: {}", name, error.what()));
  }
  const ValueId id = new_value(name, fact);
  Value& value = graph_.values[static_cast<std::size_t>(id)];
  value.dimensions = fact.dimensions;
  value.type = fact.type;
  graph_.inputs.push_back(id);
  define(name, id);
}

void GraphImport::add_tensor(const std::string& name, const onnx::TensorProto& tensor) {
  try {
    const DType type = dtype_of_onnx(tensor.data_type());
    if (!is_floating_point(type)) {
      add_constant(name, read_onnx_tensor(tensor));
      return;
    }
    const Shape shape = shape_of_onnx(tensor);
    Fact fact = {type, {shape.begin(), shape.end()}};
    if (element_count(shape) <= kMostElementsOfConstant) fact = fact_of(read_onnx_tensor(tensor));
    const ValueId id = new_value(name, std::move(fact));
    tensors_[id] = &tensor;
    define(name, id);
  } catch (const Error& error) {
    throw Error(error.category(), fmt::format("the tensor {}: {}", name, error.what()));
  }
}

void GraphImport::add_constant(const std::string& name, Constant constant) {
  define(name, new_constant(name, std::move(constant)));
}

ValueId GraphImport::find(const std::string& name, const std::string& who) const {
  const auto found = values_.find(name);
  if (found != values_.end()) return found->second;
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} reads the value {}, which nothing makes", who, name));
}

void GraphImport::set_role(ValueId id, WeightRole role) { roles_.emplace(id, role); }

std::string GraphImport::unique_node_name(const std::string& name) {
  std::string unique = name;
  for (int number = 2; !node_names_.insert(unique).second; ++number) {
    unique = fmt::format("{}_{}", name, number);
  }
  return unique;
}

void GraphImport::add_node(const std::string& name, Attributes attributes,
                           std::vector<ValueId> inputs, const std::vector<std::string>& outputs) {
  std::vector<const Fact*> known;
  for (const ValueId id : inputs) known.push_back(id == kNoValue ? nullptr : &fact(id));
  Facts facts;
  const Operator& row = operator_of(attributes);
  try {
    facts = infer_facts(attributes, known);
  } catch (const Error& error) {
    throw Error(error.category(), fmt::format("{} {}: {}", row.name, name, error.what()));
  }
  if (outputs.size() > facts.size() && facts.size() < row.most_outputs) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} {} has {} outputs, expected {}", row.name, name, outputs.size(),
                            facts.size()));
  }
  Node node = {name, std::move(attributes), std::move(inputs), {}};
  for (std::size_t i = 0; i < std::min(outputs.size(), facts.size()); ++i) {
    if (outputs[i].empty() && i > 0) {
      node.outputs.push_back(kNoValue);
      continue;
    }
    const std::string& output = outputs[i].empty() ? name : outputs[i];
    node.outputs.push_back(new_value(output, std::move(facts[i])));
    if (!outputs[i].empty()) define(outputs[i], node.outputs.back());
  }
  while (node.outputs.size() > 1 && node.outputs.back() == kNoValue) node.outputs.pop_back();
  graph_.nodes.push_back(std::move(node));
}

ValueId GraphImport::add_own_constant(const std::string& name, Constant constant) {
  return new_constant(name, std::move(constant));
}

ValueId GraphImport::add_own_node(const std::string& name, Attributes attributes,
                                  std::vector<ValueId> inputs) {
  add_node(unique_node_name(name), std::move(attributes), std::move(inputs), {std::string()});
  return graph_.nodes.back().output();
}

void GraphImport::settle_tensors() {
  for (const auto& [id, tensor] : tensors_) {
    Value& value = graph_.values[static_cast<std::size_t>(id)];
    const auto role = roles_.find(id);
    const Shape shape = shape_of_onnx(*tensor);
    if (role == roles_.end() && element_count(shape) <= kMostElementsOfConstant) {
      hold(id, read_onnx_tensor(*tensor));
      continue;
    }
    value.weight = static_cast<int>(graph_.weights.size());
    graph_.weights.push_back({value.name, shape, WeightLayout::kAsUsed,
                              role == roles_.end() ? WeightRole::kOther : role->second,
                              fact(id).type});
  }
}

Graph GraphImport::finish(const std::vector<std::string>& outputs) {
  for (const std::string& output : outputs) {
    graph_.outputs.push_back(find(output, "an output of the graph"));
  }
  settle_tensors();
  remove_unused(graph_);
  check(graph_);
  return std::move(graph_);
}

}  // namespace narrow
