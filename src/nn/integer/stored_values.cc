#include "nn/integer/stored_values.h"

#include <algorithm>
#include <set>
#include <utility>

#include "graph/operators/small_types.h"
#include "nn/reference/reference_operators.h"

namespace narrow {

StoredValues::StoredValues(const Graph& graph, WeightReader read_weight)
    : graph_(graph), read_weight_(std::move(read_weight)), producers_(graph.values.size(), -1) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId id : graph.nodes[i].outputs) {
      if (id != kNoValue) producers_[static_cast<std::size_t>(id)] = static_cast<int>(i);
    }
  }
  is_stored_.assign(graph_.values.size(), false);
  for (ValueId id = 0; id < static_cast<ValueId>(graph_.values.size()); ++id) {
    is_stored_[static_cast<std::size_t>(id)] = graph_.is_stored(id);
  }
  const auto is_stored = [&](ValueId id) {
    return id == kNoValue || is_stored_[static_cast<std::size_t>(id)];
  };
  for (const Node& node : graph_.nodes) {
    if (node.outputs.size() != 1 || node.inputs.empty()) continue;
    is_stored_[static_cast<std::size_t>(node.output())] =
        std::ranges::all_of(node.inputs, is_stored);
  }
}

const ReferenceTensor* StoredValues::stored(ValueId id) const {
  if (id == kNoValue || !is_stored_[static_cast<std::size_t>(id)]) return nullptr;
  std::set<int> makers;  // in the order of the graph
  std::vector<ValueId> wanted = {id};
  while (!wanted.empty()) {
    const ValueId next = wanted.back();
    wanted.pop_back();
    if (next == kNoValue || stored_.contains(next)) continue;
    if (const Constant* const constant = graph_.constant_of(next)) {
      stored_.emplace(next, ReferenceTensor::of(*constant));
    } else if (const Weight* const weight = graph_.weight_of(next)) {
      stored_.emplace(next, used_weight(*weight, read_weight_(*weight)));
    } else if (const int maker = producers_[static_cast<std::size_t>(next)];
               makers.insert(maker).second) {
      const Node& node = graph_.nodes[static_cast<std::size_t>(maker)];
      wanted.insert(wanted.end(), node.inputs.begin(), node.inputs.end());
    }
  }
  for (const int maker : makers) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(maker)];
    std::vector<const ReferenceTensor*> inputs;
    for (const ValueId input : node.inputs) {
      inputs.push_back(input == kNoValue ? nullptr : &stored_.at(input));
    }
    stored_.emplace(node.output(), run_operator(node.attributes, inputs));
  }
  return &stored_.at(id);
}

ValueId StoredValues::codes_behind(ValueId id) const {
  const int producer = producers_[static_cast<std::size_t>(id)];
  if (producer < 0) return kNoValue;
  const Node& node = graph_.nodes[static_cast<std::size_t>(producer)];
  const bool is_linear = std::holds_alternative<op::DequantizeLinear>(node.attributes);
  return is_linear ? node.inputs[0] : kNoValue;
}

std::optional<std::size_t> StoredValues::stored_rank(ValueId id) const {
  const ReferenceTensor* const codes = stored(codes_behind(id));
  if (codes == nullptr || codes->is_real()) return std::nullopt;
  return codes->shape.size();
}

std::optional<StoredCodes> StoredValues::stored_codes(ValueId id, std::size_t axis) const {
  const int producer = producers_[static_cast<std::size_t>(id)];
  if (producer < 0) return std::nullopt;
  const Node& node = graph_.nodes[static_cast<std::size_t>(producer)];
  const auto* const linear = std::get_if<op::DequantizeLinear>(&node.attributes);
  if (linear == nullptr || linear->block_size != 0) return std::nullopt;
  const ReferenceTensor* const codes = stored(node.inputs[0]);
  const ReferenceTensor* const scale = stored(node.inputs[1]);
  if (codes == nullptr || scale == nullptr || codes->is_real()) return std::nullopt;
  const auto rank = static_cast<std::int64_t>(codes->shape.size());
  const std::int64_t along = linear->axis < 0 ? linear->axis + rank : linear->axis;
  const auto fits = [&](const ReferenceTensor& parameter) {
    return parameter.size() == 1 ||
           (along == static_cast<std::int64_t>(axis) && parameter.shape.size() == 1 &&
            parameter.shape[0] == codes->shape[axis]);
  };
  if (!fits(*scale)) return std::nullopt;
  StoredCodes result;
  result.shape = codes->shape;
  result.codes = codes->integers;
  for (const double value : scale->values) result.scales.push_back(static_cast<float>(value));
  const ReferenceTensor* const zero = node.inputs.size() > 2 ? stored(node.inputs[2]) : nullptr;
  if (zero == nullptr) return result;
  if (!fits(*zero) || !integer_range(zero->type, SmallType::kNone)) return std::nullopt;
  std::size_t inner = 1;
  for (std::size_t i = axis + 1; i < codes->shape.size(); ++i) {
    inner *= static_cast<std::size_t>(codes->shape[i]);
  }
  for (std::size_t i = 0; i < result.codes.size(); ++i) {
    const std::size_t channel = i / inner % static_cast<std::size_t>(codes->shape[axis]);
    result.codes[i] -= zero->integers[zero->size() == 1 ? 0 : channel];
  }
  return result;
}

}  // namespace narrow
