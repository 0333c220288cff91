#include "model/onnx/node_import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>

#include "graph/operators.h"
#include "model/onnx/onnx_elements.h"
#include "narrow/error.h"

namespace narrow {
namespace {

std::string name_of(const onnx::NodeProto& node) {
  if (!node.name().empty()) return node.name();
  return node.output_size() > 0 && !node.output(0).empty() ? node.output(0) : node.op_type();
}

std::map<std::string_view, NodeImporter> all_importers() {
  std::map<std::string_view, NodeImporter> all;
  for (const auto& part :
       {window_importers(), norm_importers(), elementwise_importers(), movement_importers(),
        index_importers(), reduce_importers(), quantized_importers(), control_importers()}) {
    for (const ImporterRow& row : part) all[row.op_type] = row.import;
  }
  return all;
}

}  // namespace

NodeImporter find_importer(std::string_view op_type) {
  static const std::map<std::string_view, NodeImporter> kImporters = all_importers();
  const auto found = kImporters.find(op_type);
  return found == kImporters.end() ? nullptr : found->second;
}

NodeImport::NodeImport(GraphImport& graph, const FlatNode& flat)
    : graph_(graph),
      node_(flat.node),
      opset_(flat.opset),
      in_function_(flat.in_function),
      name_(graph.unique_node_name(name_of(flat.node))) {
  const std::string who = fmt::format("{} {}", node_.op_type(), name_);
  for (const std::string& input : node_.input()) {
    inputs_.push_back(input.empty() ? kNoValue : graph_.find(input, who));
  }
  while (!inputs_.empty() && inputs_.back() == kNoValue) inputs_.pop_back();
  if (node_.output_size() == 0) refuse("it has no outputs");
}

void NodeImport::refuse(const std::string& what) const {
  throw Error(ErrorCategory::kUnsupported, fmt::format("{} {}: {}", node_.op_type(), name_, what));
}

const onnx::AttributeProto* NodeImport::find(std::string_view name) const {
  const auto found =
      std::ranges::find_if(node_.attribute(), [&](const auto& it) { return it.name() == name; });
  return found == node_.attribute().end() ? nullptr : &*found;
}

const onnx::AttributeProto* NodeImport::find(std::string_view name,
                                             onnx::AttributeProto::AttributeType type) const {
  const onnx::AttributeProto* const found = find(name);
  // Old files do not say the type.
  if (found == nullptr || !found->has_type() || found->type() == type ||
      found->type() == onnx::AttributeProto::UNDEFINED) {
    return found;
  }
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} {}: its attribute {} is of the type {}, expected {}", node_.op_type(),
                          name_, name, onnx::AttributeProto::AttributeType_Name(found->type()),
                          onnx::AttributeProto::AttributeType_Name(type)));
}

std::int64_t NodeImport::integer(std::string_view name, std::int64_t otherwise) const {
  const auto* const found = find(name, onnx::AttributeProto::INT);
  return found == nullptr ? otherwise : found->i();
}

bool NodeImport::flag(std::string_view name, bool otherwise) const {
  return integer(name, otherwise ? 1 : 0) != 0;
}

double NodeImport::real(std::string_view name, double otherwise) const {
  const auto* const found = find(name, onnx::AttributeProto::FLOAT);
  return found == nullptr ? otherwise : static_cast<double>(found->f());
}

std::string NodeImport::text(std::string_view name, std::string_view otherwise) const {
  const auto* const found = find(name, onnx::AttributeProto::STRING);
  return found == nullptr ? std::string(otherwise) : found->s();
}

std::vector<std::int64_t> NodeImport::integers(std::string_view name) const {
  const auto* const found = find(name, onnx::AttributeProto::INTS);
  if (found == nullptr) return {};
  return {found->ints().begin(), found->ints().end()};
}

std::size_t NodeImport::place_of_text(std::string_view name, std::string_view otherwise,
                                      std::span<const std::string_view> texts) const {
  const std::string text = this->text(name, otherwise);
  const auto found = std::ranges::find(texts, text);
  if (found == texts.end()) {
    refuse(fmt::format("its {} is '{}', expected {}", name, text, fmt::join(texts, ", ")));
  }
  return static_cast<std::size_t>(found - texts.begin());
}

std::vector<double> NodeImport::reals(std::string_view name) const {
  const auto* const found = find(name, onnx::AttributeProto::FLOATS);
  if (found == nullptr) return {};
  return {found->floats().begin(), found->floats().end()};
}

const onnx::TensorProto* NodeImport::tensor(std::string_view name) const {
  const auto* const found = find(name, onnx::AttributeProto::TENSOR);
  return found == nullptr ? nullptr : &found->t();
}

std::vector<std::string> NodeImport::texts(std::string_view name) const {
  const auto* const found = find(name, onnx::AttributeProto::STRINGS);
  if (found == nullptr) return {};
  return {found->strings().begin(), found->strings().end()};
}

const onnx::GraphProto& NodeImport::subgraph(std::string_view name) const {
  const auto* const found = find(name, onnx::AttributeProto::GRAPH);
  if (found != nullptr && found->has_g()) return found->g();
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} {} has no graph {}", node_.op_type(), name_, name));
}

ValueId NodeImport::input(std::size_t index) const {
  return index < inputs_.size() ? inputs_[index] : kNoValue;
}

const Fact& NodeImport::fact(std::size_t index) const {
  if (input(index) != kNoValue) return graph_.fact(input(index));
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} {} has no input {}", node_.op_type(), name_, index));
}

SmallType NodeImport::small_type(std::size_t index) const {
  return input(index) == kNoValue ? SmallType::kNone : graph_.small_type(input(index));
}

void NodeImport::set_role(std::size_t index, WeightRole role) const {
  if (input(index) != kNoValue) graph_.set_role(input(index), role);
}

std::size_t NodeImport::output_count() const {
  return static_cast<std::size_t>(node_.output_size());
}

bool NodeImport::has_output(std::size_t index) const {
  return index < output_count() && !node_.output(static_cast<int>(index)).empty();
}

ValueId NodeImport::constant(std::string_view suffix, Constant constant) const {
  return graph_.add_own_constant(fmt::format("{}/{}", name_, suffix), std::move(constant));
}

void NodeImport::settle_inputs(const Operator& row, std::vector<ValueId>& inputs) const {
  while (!inputs.empty() && inputs.back() == kNoValue) inputs.pop_back();
  // Of any number only Loop may lack some, which needs none.
  const bool needs_all = row.most_inputs == kAnyNumber && row.fewest_inputs > 0;
  const std::size_t needed = needs_all ? inputs.size() : row.fewest_inputs;
  bool fits = inputs.size() <= row.most_inputs && inputs.size() >= row.fewest_inputs;
  for (std::size_t i = 0; fits && i < needed; ++i) fits = inputs[i] != kNoValue;
  if (fits) return;
  if (needs_all) refuse("an input is left out, expected all of them");
  refuse(fmt::format("{} inputs{}, expected {} to {}", inputs.size(),
                     row.name == node_.op_type() ? "" : fmt::format(" of {}", row.name),
                     row.fewest_inputs, row.most_inputs));
}

ValueId NodeImport::make(std::string_view suffix, Attributes attributes,
                         std::vector<ValueId> inputs) const {
  settle_inputs(operator_of(attributes), inputs);
  return graph_.add_own_node(fmt::format("{}/{}", name_, suffix), std::move(attributes),
                             std::move(inputs));
}

void NodeImport::emit(Attributes attributes, std::vector<ValueId> inputs) const {
  const Operator& row = operator_of(attributes);
  settle_inputs(row, inputs);
  if (output_count() > row.most_outputs) {
    refuse(fmt::format("{} outputs, expected at most {}", output_count(), row.most_outputs));
  }
  SmallType small = SmallType::kNone;
  if (const auto* const cast = std::get_if<op::Cast>(&attributes)) small = cast->small;
  if (const auto* const quantize = std::get_if<op::QuantizeLinear>(&attributes)) {
    small = quantize->small;
  }
  graph_.add_node(name_, std::move(attributes), std::move(inputs), output_names());
  if (!node_.output(0).empty()) graph_.set_small_type(graph_.find(node_.output(0), name_), small);
}

void NodeImport::emit_tensor(const onnx::TensorProto& tensor) const {
  if (in_function_) {
    emit_constant(read_onnx_tensor(tensor));
    graph_.set_small_type(graph_.find(node_.output(0), name_),
                          small_type_of_onnx(tensor.data_type()));
  } else {
    graph_.add_tensor(node_.output(0), tensor);
  }
}

void NodeImport::emit_constant(Constant constant) const {
  graph_.add_constant(node_.output(0), std::move(constant));
}

}  // namespace narrow
