#include "model/onnx/graph_import.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/onnx/onnx_message.h"
#include "graph/constants.h"
#include "graph/operators.h"
#include "graph/prune_graph.h"
#include "model/onnx/import_onnx.h"
#include "model/onnx/onnx_elements.h"
#include "narrow/error.h"
#include "tensor/element_values.h"

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

// A larger constant that a branch reads is an input of it.
constexpr std::size_t kMostBytesToCopy = kMostElementsOfConstant * sizeof(std::int64_t);

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

const std::vector<FlatNode>& GraphImport::keep(std::vector<FlatNode> nodes) {
  constexpr std::size_t kMostNodes = std::size_t{1} << 20;
  constexpr int kDeepestGraph = 32;
  std::size_t& kept = root().kept_nodes_;
  kept += nodes.size() + 1;
  if (kept > kMostNodes || depth() > kDeepestGraph) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} has more than {} nodes, or lies in more than {} others",
                            graph_.name, kMostNodes, kDeepestGraph));
  }
  nodes_ = std::move(nodes);
  return nodes_;
}

void GraphImport::hold(ValueId id, Constant constant) {
  root().constant_bytes_ += constant.bytes.size();
  if (root().constant_bytes_ > kMostConstantBytes) {
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
  add_input(name, fact);
  set_small_type(values_.at(name), small_type_of_onnx(type.elem_type()));
}

void GraphImport::add_input(const std::string& name, const Fact& fact) {
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
    const SmallType small = small_type_of_onnx(tensor.data_type());
    // Of integers those whose values stayed in the checkpoint.
    const bool is_weight = parent_ == nullptr && is_integer(type) && lacks_values(tensor);
    if ((!is_floating_point(type) && !is_weight) || small != SmallType::kNone) {
      add_constant(name, read_onnx_tensor(tensor));
      set_small_type(values_.at(name), small);
      return;
    }
    const Shape shape = shape_of_onnx(tensor);
    Fact fact = {type, {shape.begin(), shape.end()}};
    if (element_count(shape) <= kMostElementsOfConstant && !is_weight)
      fact = fact_of(read_onnx_tensor(tensor));
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

ValueId GraphImport::find(const std::string& name, const std::string& who) {
  const ValueId found = find_or_capture(name);
  if (found != kNoValue) return found;
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} reads the value {}, which nothing makes", who, name));
}

ValueId GraphImport::find_or_capture(const std::string& name) {
  const auto found = values_.find(name);
  if (found != values_.end()) return found->second;
  const ValueId outer = parent_ == nullptr ? kNoValue : parent_->find_or_capture(name);
  if (outer == kNoValue) return kNoValue;
  const Constant* const constant = parent_->graph_.constant_of(outer);
  const auto tensor = parent_->tensors_.find(outer);
  if (constant != nullptr && constant->bytes.size() <= kMostBytesToCopy) {
    add_constant(name, *constant);
  } else if (tensor != parent_->tensors_.end() && parent_->fact(outer).reals) {
    add_constant(name, read_onnx_tensor(*tensor->second));
  } else {
    define(name, capture(outer));
  }
  set_small_type(values_.at(name), parent_->small_type(outer));
  return values_.at(name);
}

ValueId GraphImport::capture(ValueId outer) {
  const Fact& fact = parent_->fact(outer);
  const ValueId id = new_value(parent_->graph_.value(outer).name, fact);
  Value& value = graph_.values[static_cast<std::size_t>(id)];
  value.dimensions = fact.dimensions;
  value.type = fact.type;
  graph_.inputs.push_back(id);
  captures_.push_back(outer);
  return id;
}

void GraphImport::set_captures(const std::vector<ValueId>& captures) {
  std::vector<ValueId> inputs;
  for (const ValueId outer : captures) {
    const auto found = std::ranges::find(captures_, outer);
    const auto at = static_cast<std::size_t>(found - captures_.begin());
    inputs.push_back(found == captures_.end() ? capture(outer) : graph_.inputs[at]);
  }
  graph_.inputs = std::move(inputs);
  captures_ = captures;
}

void GraphImport::splice(const Graph& branch, const std::vector<ValueId>& inputs,
                         const std::string& prefix, const std::vector<std::string>& outputs) {
  std::vector<ValueId> ids(branch.values.size(), kNoValue);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ids[static_cast<std::size_t>(branch.inputs[i])] = inputs[i];
  }
  const auto name_of = [&](ValueId id) { return prefix + branch.value(id).name; };
  for (ValueId id = 0; id < static_cast<ValueId>(ids.size()); ++id) {
    const Constant* const constant = branch.constant_of(id);
    if (constant == nullptr) continue;
    ids[static_cast<std::size_t>(id)] = add_own_constant(name_of(id), *constant);
    set_small_type(ids[static_cast<std::size_t>(id)], branch.value(id).small);
  }
  for (const Node& node : branch.nodes) {
    std::vector<ValueId> read;
    for (const ValueId id : node.inputs) {
      read.push_back(id == kNoValue ? kNoValue : ids[static_cast<std::size_t>(id)]);
    }
    std::vector<std::string> names;
    for (const ValueId id : node.outputs) names.push_back(id == kNoValue ? "" : name_of(id));
    add_node(unique_node_name(prefix + node.name), node.attributes, std::move(read), names);
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) ids[static_cast<std::size_t>(id)] = values_.at(name_of(id));
    }
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].empty()) continue;
    define(outputs[i], ids[static_cast<std::size_t>(branch.outputs[i])]);
  }
}

SmallType GraphImport::small_type(ValueId id) const {
  const auto found = small_types_.find(id);
  return found == small_types_.end() ? SmallType::kNone : found->second;
}

void GraphImport::set_small_type(ValueId id, SmallType type) {
  if (type == SmallType::kNone) return;
  small_types_[id] = type;
  const bool is_input = std::ranges::find(graph_.inputs, id) != graph_.inputs.end();
  Value& value = graph_.values[static_cast<std::size_t>(id)];
  if (is_input || value.constant >= 0) value.small = type;
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
  ++root().counted_nodes_;
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
    const bool is_small = role == roles_.end() && element_count(shape) <= kMostElementsOfConstant;
    if (is_small || parent_ != nullptr) {
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
