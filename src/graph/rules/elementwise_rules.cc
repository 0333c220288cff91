// Operators that compute each element by itself.
#include <fmt/format.h>

#include "graph/rules/fact_rules.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

Dimensions broadcast_all(FactInputs inputs) {
  Dimensions result = inputs[0]->dimensions;
  for (const Fact* input : inputs.subspan(1)) {
    result = broadcast(result, input->dimensions, "broadcast");
  }
  return result;
}

using Integers = std::optional<std::vector<SymbolicInteger>>;

// One result for each pair of elements of integers that are known as far as possible.
template <typename Combine>
Integers combine(const Fact& a, const Fact& b, const Combine& combine_two) {
  if (!a.integers || !b.integers) return std::nullopt;
  const std::size_t count = std::max(a.integers->size(), b.integers->size());
  if (a.integers->empty() || b.integers->empty()) return std::nullopt;
  std::vector<SymbolicInteger> result;
  for (std::size_t i = 0; i < count; ++i) {
    result.push_back(
        combine_two((*a.integers)[a.integers->size() == 1 ? 0 : i % a.integers->size()],
                    (*b.integers)[b.integers->size() == 1 ? 0 : i % b.integers->size()]));
  }
  return result;
}

SymbolicInteger add(const SymbolicInteger& a, const SymbolicInteger& b) {
  std::int64_t result = 0;
  if (a.value == 0) return b;
  if (b.value == 0) return a;
  if (!a.value || !b.value || __builtin_add_overflow(*a.value, *b.value, &result)) return {};
  return {result};
}

SymbolicInteger multiply(const SymbolicInteger& a, const SymbolicInteger& b) {
  std::int64_t result = 0;
  if (a.value == 1) return b;
  if (b.value == 1) return a;
  if (!a.value || !b.value || __builtin_mul_overflow(*a.value, *b.value, &result)) return {};
  return {result};
}

SymbolicInteger subtract(const SymbolicInteger& a, const SymbolicInteger& b) {
  std::int64_t result = 0;
  if (b.value == 0) return a;
  if (!a.value || !b.value || __builtin_sub_overflow(*a.value, *b.value, &result)) return {};
  return {result};
}

SymbolicInteger divide(const SymbolicInteger& a, const SymbolicInteger& b) {
  if (b.value == 1) return a;
  if (!a.value || !b.value || *b.value == 0 || *b.value == -1) return {};
  return {*a.value / *b.value};
}

SymbolicInteger equal(const SymbolicInteger& a, const SymbolicInteger& b) {
  if (!a.value || !b.value) return {};
  return {*a.value == *b.value ? 1 : 0};
}

// Only int64 cannot have wrapped.
bool is_followed(FactInputs inputs) { return inputs[0]->type == DType::kInt64; }

}  // namespace

Facts infer(const op::Relu& /*relu*/, FactInputs inputs) { return same_fact(*inputs[0]); }

Facts infer(const op::Add& /*add*/, FactInputs inputs) {
  require_same_type(inputs);
  Facts facts =
      one_fact(inputs[0]->type, broadcast(inputs[0]->dimensions, inputs[1]->dimensions, "added"));
  if (is_followed(inputs)) facts[0].integers = combine(*inputs[0], *inputs[1], add);
  return facts;
}

Facts infer(const op::Unary& unary, FactInputs inputs) {
  const Fact& x = *inputs[0];
  using enum op::UnaryKind;
  switch (unary.kind) {
    case kIsNaN:
      require_real(x);
      return one_fact(DType::kBool, x.dimensions);
    case kNot:
      if (x.type == DType::kBool) {
        Facts facts = same_fact(x);
        static const Fact kFalse = {DType::kBool, {}, {{SymbolicInteger{0}}}};
        facts[0].integers = combine(x, kFalse, equal);
        return facts;
      }
      refuse_inputs(fmt::format("its input is of type {}, expected bool", to_string(x.type)));
    case kBitwiseNot:
      if (is_integer(x.type)) return same_fact(x);
      refuse_inputs(fmt::format("its input is of type {}, expected integers", to_string(x.type)));
    case kNeg: {
      Facts facts = same_fact(x);
      static const Fact kZero = {DType::kInt64, {}, {{SymbolicInteger{0}}}};
      if (x.type == DType::kInt64) facts[0].integers = combine(kZero, x, subtract);
      return facts;
    }
    case kAbs:
    case kSign:
      return same_fact(x);
    default:
      require_real(x);
      return same_fact(x);
  }
}

Facts infer(const op::Activation& /*activation*/, FactInputs inputs) {
  require_real(*inputs[0]);
  return same_fact(*inputs[0]);
}

Facts infer(const op::Clip& /*clip*/, FactInputs inputs) {
  require_same_type(inputs);
  for (const Fact* bound : inputs.subspan(1)) {
    if (bound == nullptr || may_be_equal(product(bound->dimensions), 1)) continue;
    refuse_inputs(fmt::format("a bound is {}, expected one value", to_string(bound->dimensions)));
  }
  return same_fact(*inputs[0]);
}

Facts infer(const op::PRelu& /*prelu*/, FactInputs inputs) {
  require_same_type(inputs);
  const Dimensions& x = inputs[0]->dimensions;
  const Dimensions both = broadcast(x, inputs[1]->dimensions, "broadcast");
  if (!std::ranges::equal(both, x, may_be_equal)) {
    refuse_inputs(fmt::format("its slope is {}, which is larger than {}",
                              to_string(inputs[1]->dimensions), to_string(x)));
  }
  return same_fact(*inputs[0]);
}

Facts infer(const op::Binary& binary, FactInputs inputs) {
  const bool types_may_differ = binary.kind == op::BinaryKind::kPow;  // an exponent of another type
  if (!types_may_differ) require_same_type(inputs);
  Facts facts = one_fact(inputs[0]->type, broadcast_all(inputs));
  if (!is_followed(inputs)) return facts;
  if (binary.kind == op::BinaryKind::kMul) {
    facts[0].integers = combine(*inputs[0], *inputs[1], multiply);
  } else if (binary.kind == op::BinaryKind::kSub) {
    facts[0].integers = combine(*inputs[0], *inputs[1], subtract);
  } else if (binary.kind == op::BinaryKind::kDiv) {
    facts[0].integers = combine(*inputs[0], *inputs[1], divide);
  }
  return facts;
}

Facts infer(const op::Variadic& variadic, FactInputs inputs) {
  require_same_type(inputs);
  if (variadic.kind == op::VariadicKind::kMean) require_real(*inputs[0]);
  return one_fact(inputs[0]->type, broadcast_all(inputs));
}

Facts infer(const op::Compare& compare, FactInputs inputs) {
  require_same_type(inputs);
  Facts facts = one_fact(DType::kBool, broadcast_all(inputs));
  if (compare.kind == op::CompareKind::kEqual) {
    facts[0].integers = combine(*inputs[0], *inputs[1], equal);
  }
  return facts;
}

Facts infer(const op::Logical& /*logical*/, FactInputs inputs) {
  require_same_type(inputs);
  if (inputs[0]->type != DType::kBool) {
    refuse_inputs(
        fmt::format("its inputs are of type {}, expected bool", to_string(inputs[0]->type)));
  }
  return one_fact(DType::kBool, broadcast_all(inputs));
}

Facts infer(const op::Where& /*where*/, FactInputs inputs) {
  require_same_type(inputs.subspan(1));
  if (inputs[0]->type != DType::kBool) {
    refuse_inputs(
        fmt::format("its condition is of type {}, expected bool", to_string(inputs[0]->type)));
  }
  Facts facts = one_fact(inputs[1]->type, broadcast_all(inputs));
  const Integers& condition = inputs[0]->integers;
  const Integers& first = inputs[1]->integers;
  const Integers& second = inputs[2]->integers;
  if (!condition || !first || !second || first->size() != condition->size() ||
      second->size() != condition->size()) {
    return facts;
  }
  facts[0].integers.emplace();
  for (std::size_t i = 0; i < condition->size(); ++i) {
    const std::optional<std::int64_t> holds = (*condition)[i].value;
    facts[0].integers->push_back(!holds        ? SymbolicInteger{}
                                 : *holds != 0 ? (*first)[i]
                                               : (*second)[i]);
  }
  return facts;
}

Facts infer(const op::IsInf& /*is_inf*/, FactInputs inputs) {
  require_real(*inputs[0]);
  return one_fact(DType::kBool, inputs[0]->dimensions);
}

Facts infer(const op::Cast& cast, FactInputs inputs) {
  for (const DType type : {cast.to, inputs[0]->type}) {
    if (is_integer(type) || is_floating_point(type)) continue;
    refuse_inputs(fmt::format("values of type {} cannot be computed with", to_string(type)));
  }
  Facts facts = one_fact(cast.to, inputs[0]->dimensions);
  const bool keeps =
      cast.to == DType::kInt64 || (cast.to == DType::kInt32 && inputs[0]->type == DType::kInt32);
  if (keeps) facts[0].integers = inputs[0]->integers;
  if (cast.to == DType::kBool && inputs[0]->integers) {
    facts[0].integers.emplace();
    for (const SymbolicInteger& integer : *inputs[0]->integers) {
      SymbolicInteger holds;
      if (integer.value) holds.value = *integer.value != 0 ? 1 : 0;
      facts[0].integers->push_back(std::move(holds));
    }
  }
  return facts;
}

Facts infer(const op::CastLike& /*cast*/, FactInputs inputs) {
  return infer(op::Cast{inputs[1]->type}, inputs.first(1));
}

Facts infer(const op::Dropout& /*dropout*/, FactInputs inputs) {
  const Fact* const training = input_at(inputs, 2);
  if (training != nullptr && training->type != DType::kBool) {
    refuse_inputs(
        fmt::format("its training mode is of type {}, expected bool", to_string(training->type)));
  }
  Facts facts = same_fact(*inputs[0]);
  facts.push_back({DType::kBool, inputs[0]->dimensions});
  return facts;
}

}  // namespace narrow
