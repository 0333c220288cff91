#include "nn/reference/reference_operators.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

#include "graph/constants.h"
#include "graph/facts.h"
#include "narrow/error.h"
#include "nn/reference/reference_kernels.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

// One tensor of these is 8 GiB.
constexpr std::uint64_t kMostElements = std::uint64_t{1} << 30;

Fact fact_of(const ReferenceTensor& x) {
  Fact fact = {x.type, {x.shape.begin(), x.shape.end()}};
  if (x.shape.size() > 1 || x.size() > kMostKnownElements) return fact;
  if (x.is_real()) {
    fact.reals = x.values;
    return fact;
  }
  fact.integers.emplace();
  for (const std::int64_t value : x.integers) fact.integers->push_back({value});
  return fact;
}

// Without elements where the size follows from values.
ReferenceTensor result_of(const Fact& fact) {
  Shape shape;
  for (const Dimension& dimension : fact.dimensions) {
    if (dimension.is_free()) return {{}, {}, fact.type};
    shape.push_back(dimension.size);
  }
  return ReferenceTensor::zeros(std::move(shape), fact.type);
}

void settle(ReferenceTensor& y) {
  if (y.type == DType::kFloat64) return;
  for (double& value : y.values) value = round_to(y.type, value);
  for (std::int64_t& value : y.integers) value = wrap_to(y.type, value);
}

}  // namespace

ReferenceTensor ReferenceTensor::zeros(Shape shape, DType type) {
  if (!is_integer(type) && !is_floating_point(type)) {
    reference::refuse(fmt::format("values of type {} cannot be computed with", to_string(type)));
  }
  const std::uint64_t count = element_count(shape);
  if (count > kMostElements) {
    reference::refuse(fmt::format("a result {} has {} elements, expected at most {}",
                                  to_string(shape), count, kMostElements));
  }
  ReferenceTensor x = {std::move(shape), {}, type};
  if (x.is_real()) {
    x.values.resize(static_cast<std::size_t>(count));
  } else {
    x.integers.resize(static_cast<std::size_t>(count));
  }
  return x;
}

ReferenceTensor ReferenceTensor::of(const Constant& constant) {
  check(constant);
  ReferenceTensor x = {constant.shape, {}, constant.type};
  if (x.is_real()) {
    x.values = decode_reals(constant.type, constant.bytes);
  } else {
    x.integers = decode_integers(constant.type, constant.bytes);
  }
  return x;
}

Constant ReferenceTensor::as_constant() const {
  return {type, shape, is_real() ? encode_reals(type, values) : encode_integers(type, integers)};
}

std::vector<ReferenceTensor> run_operator_results(const Attributes& attributes,
                                                  std::span<const ReferenceTensor* const> inputs) {
  std::vector<Fact> facts;
  for (const ReferenceTensor* input : inputs) {
    facts.push_back(input == nullptr ? Fact() : fact_of(*input));
  }
  std::vector<const Fact*> known;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    known.push_back(inputs[i] == nullptr ? nullptr : &facts[i]);
  }
  std::vector<ReferenceTensor> results;
  for (const Fact& fact : infer_facts(attributes, known)) results.push_back(result_of(fact));
  std::visit([&](const auto& attribute) { reference::run(attribute, inputs, results); },
             attributes);
  for (ReferenceTensor& result : results) settle(result);
  return results;
}

ReferenceTensor run_operator(const Attributes& attributes,
                             std::span<const ReferenceTensor* const> inputs) {
  return std::move(run_operator_results(attributes, inputs)[0]);
}

}  // namespace narrow
