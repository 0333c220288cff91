// Which operators keep the examples of a batch apart. Internal to this folder.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "graph/graph.h"
#include "graph/rules/fact_rules.h"

namespace narrow {

// How a value depends on the examples.
enum class ExamplePart : std::uint8_t {
  kFixed,     // not at all
  kSizes,     // on sizes only
  kExamples,  // axis 0 goes over them
  kParts,     // axis 0 goes over them and, within each, over as many parts of it: heads, windows
};

// The inputs of a node.
struct ExampleOperands {
  std::vector<ExamplePart> parts;
  std::vector<const Fact*> facts;  // null for one that is left out
  std::size_t result_rank = 0;

  [[nodiscard]] bool is(std::size_t index, ExamplePart part) const {
    return index < parts.size() && parts[index] == part;
  }
  [[nodiscard]] bool has(ExamplePart part) const {
    return std::ranges::find(parts, part) != parts.end();
  }
  // Whether input 0 has the examples and every other is of the description.
  [[nodiscard]] bool only_first() const {
    return is(0, ExamplePart::kExamples) && std::ranges::count(parts, ExamplePart::kFixed) + 1 ==
                                                static_cast<std::ptrdiff_t>(parts.size());
  }
  // The same where others may be sizes.
  [[nodiscard]] bool first_and_sizes() const {
    return is(0, ExamplePart::kExamples) && std::ranges::count(parts, ExamplePart::kExamples) == 1;
  }
  [[nodiscard]] bool all_examples() const {
    return std::ranges::count(parts, ExamplePart::kExamples) ==
           static_cast<std::ptrdiff_t>(parts.size());
  }
  [[nodiscard]] std::size_t rank(std::size_t index) const {
    return facts[index]->dimensions.size();
  }
  // Whether that axis of input 0 is another than the first one.
  [[nodiscard]] bool is_later(std::int64_t axis, std::size_t index = 0) const {
    return axis_of(axis, rank(index)) != 0;
  }
  [[nodiscard]] std::optional<std::vector<std::int64_t>> integers(std::size_t index) const {
    return known_integers(input_at(facts, index));
  }
  // Whether input `index` lists axes of input 0, none of them the first one.
  [[nodiscard]] bool lists_later_axes(std::size_t index) const {
    const auto axes = integers(index);
    return axes && std::ranges::all_of(*axes, [&](std::int64_t axis) { return is_later(axis); });
  }
};

// Whether the operator keeps entries of axis 0 apart, given that axis 0 of its results goes over
// the examples. At least one operand has them. What is not sure is false.
bool keeps_examples(const Attributes& attributes, const ExampleOperands& operands);

}  // namespace narrow
