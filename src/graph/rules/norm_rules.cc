// Normalizations.
#include <fmt/format.h>

#include "graph/rules/fact_rules.h"

namespace narrow {
namespace {

// One value for each channel in every input after the first.
void require_channel_parameters(FactInputs inputs) {
  const Fact& x = *inputs[0];
  require_all_real(inputs);
  require_rank(x, 2);
  for (const Fact* parameter : inputs.subspan(1)) {
    if (parameter->dimensions.size() == 1 &&
        may_be_equal(parameter->dimensions[0], x.dimensions[1])) {
      continue;
    }
    refuse_inputs(fmt::format("a parameter is {}, expected one value for each channel of {}",
                              to_string(parameter->dimensions), to_string(x.dimensions)));
  }
}

// Of one direction to the part of x from `axis` on.
void require_broadcast_to(const Fact* parameter, const Dimensions& x) {
  if (parameter == nullptr) return;
  bool fits = parameter->dimensions.size() <= x.size();
  for (std::size_t i = 1; fits && i <= parameter->dimensions.size(); ++i) {
    const Dimension& size = parameter->dimensions[parameter->dimensions.size() - i];
    fits = size == Dimension(1) || may_be_equal(size, x[x.size() - i]);
  }
  if (fits) return;
  refuse_inputs(fmt::format("a parameter is {}, which does not fit its input {}",
                            to_string(parameter->dimensions), to_string(x)));
}

Facts softmax_facts(const Fact& x, std::int64_t axis) {
  require_real(x);
  axis_of(axis, x.dimensions.size());
  return same_fact(x);
}

}  // namespace

Facts infer(const op::BatchNormalization& norm, FactInputs inputs) {
  require_channel_parameters(inputs);
  Facts facts = same_fact(*inputs[0]);
  if (norm.training_mode) {
    facts.push_back(same_fact(*inputs[3])[0]);
    facts.push_back(same_fact(*inputs[4])[0]);
  }
  return facts;
}

Facts infer(const op::InstanceNormalization& /*norm*/, FactInputs inputs) {
  require_rank(*inputs[0], 3);
  require_channel_parameters(inputs);
  return same_fact(*inputs[0]);
}

Facts infer(const op::GroupNormalization& norm, FactInputs inputs) {
  require_channel_parameters(inputs);
  const Dimension& channels = inputs[0]->dimensions[1];
  if (norm.groups < 1 || (!channels.is_free() && channels.size % norm.groups != 0)) {
    refuse_inputs(fmt::format("{} groups do not divide the channels of {}", norm.groups,
                              to_string(inputs[0]->dimensions)));
  }
  return same_fact(*inputs[0]);
}

Facts infer(const op::LayerNormalization& norm, FactInputs inputs) {
  const Fact& x = *inputs[0];
  require_all_real(inputs);
  const std::size_t axis = axis_of(norm.axis, x.dimensions.size());
  for (const Fact* parameter : inputs.subspan(1)) require_broadcast_to(parameter, x.dimensions);
  Facts facts = same_fact(x);
  Dimensions outer = x.dimensions;
  std::fill(outer.begin() + static_cast<std::ptrdiff_t>(axis), outer.end(), Dimension(1));
  // Statistics are of the type in which the first stage is computed.
  facts.push_back({x.type == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32, outer});
  facts.push_back(facts[1]);
  return facts;
}

Facts infer(const op::RmsNormalization& norm, FactInputs inputs) {
  const Fact& x = *inputs[0];
  require_all_real(inputs);
  axis_of(norm.axis, x.dimensions.size());
  require_broadcast_to(inputs[1], x.dimensions);
  return one_fact(inputs[1]->type, x.dimensions);
}

Facts infer(const op::Softmax& softmax, FactInputs inputs) {
  return softmax_facts(*inputs[0], softmax.axis);
}

Facts infer(const op::Hardmax& hardmax, FactInputs inputs) {
  return softmax_facts(*inputs[0], hardmax.axis);
}

Facts infer(const op::LpNormalization& norm, FactInputs inputs) {
  if (norm.p != 1 && norm.p != 2) {
    refuse_inputs(fmt::format("its norm is of order {}, expected 1 or 2", norm.p));
  }
  return softmax_facts(*inputs[0], norm.axis);
}

}  // namespace narrow
