#include "graph/constants.h"

#include <fmt/format.h>

#include <array>

#include "narrow/error.h"
#include "tensor/element_values.h"

namespace narrow {

Constant make_constant(const std::vector<std::int64_t>& values) {
  return {DType::kInt64,
          {static_cast<std::int64_t>(values.size())},
          encode_integers(DType::kInt64, values)};
}

Constant make_constant(const std::vector<double>& values) {
  return {DType::kFloat32,
          {static_cast<std::int64_t>(values.size())},
          encode_reals(DType::kFloat32, values)};
}

Constant make_scalar(DType type, double value) {
  if (!is_integer(type)) return {type, {}, encode_reals(type, std::array{value})};
  return {type, {}, encode_integers(type, std::array{static_cast<std::int64_t>(value)})};
}

void check(const Constant& constant) {
  if (!is_integer(constant.type) && !is_floating_point(constant.type)) {
    throw Error(
        ErrorCategory::kUnsupported,
        fmt::format("a constant of type {}, which is not computed with", to_string(constant.type)));
  }
  const TensorInfo info = {"constant", constant.type, constant.shape};
  if (info.byte_size() == constant.bytes.size()) return;
  throw Error(
      ErrorCategory::kCorrupt,
      fmt::format("a constant {} of type {} has {} bytes, expected {}", to_string(constant.shape),
                  to_string(constant.type), constant.bytes.size(), info.byte_size()));
}

Fact fact_of(const Constant& constant) {
  Fact fact;
  fact.type = constant.type;
  fact.dimensions.assign(constant.shape.begin(), constant.shape.end());
  if (constant.shape.size() > 1 || element_count(constant.shape) > kMostKnownElements) return fact;
  if (!is_integer(constant.type)) {
    fact.reals = decode_reals(constant.type, constant.bytes);
    return fact;
  }
  fact.integers.emplace();
  for (const std::int64_t value : decode_integers(constant.type, constant.bytes)) {
    fact.integers->push_back({value});
  }
  return fact;
}

std::optional<double> scalar_of(const Graph& graph, ValueId id) {
  const Constant* const constant = id == kNoValue ? nullptr : graph.constant_of(id);
  if (constant == nullptr) return std::nullopt;
  const std::vector<double> values = fact_of(*constant).reals.value_or(std::vector<double>());
  return values.size() == 1 ? std::optional(values[0]) : std::nullopt;
}

}  // namespace narrow
