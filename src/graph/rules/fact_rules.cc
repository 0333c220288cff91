#include "graph/rules/fact_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

constexpr std::int64_t kMostAxes = 64;

// Of an array without elements all of them are known.
bool lacks_no_elements(const Fact* fact) {
  return fact != nullptr && is_integer(fact->type) && !fact->integers &&
         fact->dimensions == Dimensions{Dimension(0)};
}

}  // namespace

Facts infer_facts(const Attributes& attributes, FactInputs inputs) {
  const auto empty = std::ranges::find_if(inputs, lacks_no_elements);
  if (empty != inputs.end()) {
    Fact known = **empty;
    known.integers.emplace();
    std::vector<const Fact*> all(inputs.begin(), inputs.end());
    std::ranges::replace(all, *empty, &known);
    return infer_facts(attributes, all);
  }
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

void require_all_real(FactInputs inputs) {
  for (const Fact* input : inputs) {
    if (input != nullptr) require_real(*input);
  }
}

void require_one_integer(const Fact& x) {
  if (is_integer(x.type) && may_be_equal(product(x.dimensions), 1)) return;
  refuse_inputs(fmt::format("an input is {} of type {}, expected one integer",
                            to_string(x.dimensions), to_string(x.type)));
}

void require_index(const Fact& x) {
  const bool is_short = x.dimensions.empty() || x.dimensions[0].size <= 2 * kMostAxes;
  if (is_integer(x.type) && x.dimensions.size() <= 1 && is_short) return;
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

std::optional<double> known_number(const Fact& fact) {
  if (fact.reals && fact.reals->size() == 1) return (*fact.reals)[0];
  const auto integers = known_integers(&fact);
  if (integers && integers->size() == 1) return static_cast<double>((*integers)[0]);
  return std::nullopt;
}

std::size_t known_length(const Fact& fact, const std::string& what) {
  require_index(fact);
  if (fact.dimensions.empty()) return 1;
  if (fact.dimensions[0].is_free()) {
    refuse_inputs(fmt::format("the number of its {} is not known", what));
  }
  if (fact.dimensions[0].size > kMostAxes) {
    refuse_inputs(
        fmt::format("{} {}, expected at most {}", fact.dimensions[0].size, what, kMostAxes));
  }
  return static_cast<std::size_t>(fact.dimensions[0].size);
}

}  // namespace narrow
