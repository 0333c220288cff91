#include "graph/facts.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/operators.h"
#include "graph/operators/rules.h"
#include "narrow/error.h"
#include "tensor/element_values.h"

namespace narrow {

SymbolicInteger symbolic(const Dimension& dimension) {
  if (dimension.is_free()) return {std::nullopt, dimension.symbol};
  return {dimension.size};
}

Dimension as_dimension(const SymbolicInteger& integer) {
  if (!integer.value) return Dimension::free(integer.symbol);
  if (*integer.value < 0) {
    refuse_inputs(fmt::format("a size of {}, expected 0 or more", *integer.value));
  }
  return *integer.value;
}

Facts infer_facts(const Attributes& attributes, FactInputs inputs) {
  return std::visit([&](const auto& attribute) { return infer(attribute, inputs); }, attributes);
}

void refuse_inputs(const std::string& what) { throw Error(ErrorCategory::kUnsupported, what); }

std::size_t axis_of(std::int64_t axis, std::size_t rank) {
  const auto count = static_cast<std::int64_t>(rank);
  if (axis < -count || axis >= count) {
    refuse_inputs(fmt::format("its axis {} is not one of {}", axis, rank));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + count : axis);
}

std::vector<std::size_t> axes_of(std::span<const std::int64_t> axes, std::size_t rank) {
  std::vector<std::size_t> result;
  for (const std::int64_t axis : axes) {
    const std::size_t found = axis_of(axis, rank);
    if (std::ranges::find(result, found) != result.end()) {
      refuse_inputs(fmt::format("its axis {} is named twice", axis));
    }
    result.push_back(found);
  }
  return result;
}

bool may_be_equal(const Dimension& a, const Dimension& b) {
  return a.is_free() || b.is_free() || a.size == b.size;
}

void require_rank(const Fact& x, std::size_t least) {
  if (x.dimensions.size() >= least) return;
  refuse_inputs(
      fmt::format("its input is {}, expected {} axes or more", to_string(x.dimensions), least));
}

void require_same_type(FactInputs inputs) {
  for (const Fact* input : inputs) {
    if (input == nullptr || input->type == inputs[0]->type) continue;
    refuse_inputs(fmt::format("its inputs are of the types {} and {}, expected one type",
                              to_string(inputs[0]->type), to_string(input->type)));
  }
}

void require_real(const Fact& x) {
  if (is_floating_point(x.type)) return;
  refuse_inputs(
      fmt::format("its input is of type {}, expected a floating-point type", to_string(x.type)));
}

void require_index(const Fact& x) {
  if (is_integer(x.type) && x.dimensions.size() <= 1) return;
  refuse_inputs(fmt::format("an input is {} of type {}, expected integers on one axis",
                            to_string(x.dimensions), to_string(x.type)));
}

std::optional<std::vector<std::int64_t>> known_integers(const Fact* fact) {
  if (fact == nullptr || !fact->integers) return std::nullopt;
  std::vector<std::int64_t> known;
  for (const SymbolicInteger& element : *fact->integers) {
    if (!element.value) return std::nullopt;
    known.push_back(*element.value);
  }
  return known;
}

std::size_t known_length(const Fact& fact, const std::string& what) {
  require_index(fact);
  if (fact.dimensions.empty()) return 1;
  if (fact.dimensions[0].is_free()) {
    refuse_inputs(fmt::format("the number of its {} is not known", what));
  }
  constexpr std::int64_t kMostAxes = 64;
  if (fact.dimensions[0].size > kMostAxes) {
    refuse_inputs(
        fmt::format("{} {}, expected at most {}", fact.dimensions[0].size, what, kMostAxes));
  }
  return static_cast<std::size_t>(fact.dimensions[0].size);
}

Dimension product(const Dimension& a, const Dimension& b) {
  if (a == Dimension(1)) return b;
  if (b == Dimension(1)) return a;
  if (a == Dimension(0) || b == Dimension(0)) return 0;
  if (a.is_free() || b.is_free()) return {};
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a.size, b.size, &result)) {
    refuse_inputs(fmt::format("{} x {} elements are too many", a.size, b.size));
  }
  return result;
}

Dimension product(std::span<const Dimension> dimensions) {
  Dimension result = 1;
  for (const Dimension& dimension : dimensions) result = product(result, dimension);
  return result;
}

Dimension sum(const Dimension& a, const Dimension& b) {
  if (a == Dimension(0)) return b;
  if (b == Dimension(0)) return a;
  if (a.is_free() || b.is_free()) return {};
  std::int64_t result = 0;
  if (__builtin_add_overflow(a.size, b.size, &result)) {
    refuse_inputs(fmt::format("{} + {} elements are too many", a.size, b.size));
  }
  return result;
}

namespace {

Dimension broadcast(const Dimension& a, const Dimension& b, const std::string& verb) {
  if (a == b && (!a.is_free() || !a.symbol.empty())) return a;
  if (a.is_free() || b.is_free()) {
    // A known size but 1 wins; everything else stays open.
    if (!a.is_free() && a.size != 1) return a;
    if (!b.is_free() && b.size != 1) return b;
    if (!a.is_free()) return b;
    if (!b.is_free()) return a;
    return {};
  }
  if (a.size == 1) return b;
  if (b.size == 1) return a;
  refuse_inputs(fmt::format("sizes {} and {} cannot be {}", a.size, b.size, verb));
}

}  // namespace

Dimensions broadcast(const Dimensions& a, const Dimensions& b, const std::string& verb) {
  Dimensions result = a.size() >= b.size() ? a : b;
  const Dimensions& other = a.size() >= b.size() ? b : a;
  const std::size_t ahead = result.size() - other.size();
  for (std::size_t i = 0; i < other.size(); ++i) {
    result[ahead + i] = broadcast(result[ahead + i], other[i], verb);
  }
  return result;
}

}  // namespace narrow
