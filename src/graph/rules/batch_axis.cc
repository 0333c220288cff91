#include "graph/rules/batch_axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>
#include <vector>

#include "graph/operators.h"
#include "graph/rules/example_rules.h"
#include "graph/shapes.h"

namespace narrow {
namespace {

using Part = ExamplePart;

// Whether a value that depends on sizes only says which example an entry of axis 0 belongs to.
enum class Position : std::uint8_t {
  kNone,
  kEverywhere,  // in every element
  kFirst,       // in the first element of the last axis
};

class BatchWalk {
 public:
  explicit BatchWalk(const Graph& graph)
      : graph_(graph),
        facts_(infer_facts(graph)),
        parts_(graph.values.size(), Part::kFixed),
        positions_(graph.values.size(), Position::kNone),
        parts_of_example_(graph.values.size(), 1) {}

  std::optional<std::string> run() {
    for (const ValueId id : graph_.inputs) {
      const Dimensions& dimensions = graph_.value(id).dimensions;
      if (dimensions.empty() || !dimensions[0].is_free()) {
        return fmt::format("the input {} has no axis of examples", graph_.value(id).name);
      }
      batch_ = dimensions[0];
      part(id) = Part::kExamples;
    }
    for (const Node& node : graph_.nodes) {
      if (!take(node)) {
        return fmt::format("{} {} is not known to keep examples apart", operator_of(node).name,
                           node.name);
      }
    }
    for (const ValueId id : graph_.outputs) {
      if (part(id) == Part::kExamples) continue;
      return fmt::format("the output {} does not go over examples", graph_.value(id).name);
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] Part& part(ValueId id) { return parts_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] Position& position(ValueId id) { return positions_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] const Dimensions& dimensions(ValueId id) const {
    return facts_[static_cast<std::size_t>(id)].dimensions;
  }
  [[nodiscard]] bool goes_over_examples(ValueId id) const {
    return !dimensions(id).empty() && dimensions(id)[0] == batch_;
  }

  ExampleOperands operands_of(const Node& node) {
    ExampleOperands operands;
    for (const ValueId id : node.inputs) {
      operands.parts.push_back(id == kNoValue ? Part::kFixed : part(id));
      operands.facts.push_back(id == kNoValue ? nullptr : &facts_[static_cast<std::size_t>(id)]);
    }
    operands.result_rank = dimensions(node.output()).size();
    return operands;
  }

  void set_results(const Node& node, Part value) {
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) part(id) = value;
    }
  }

  // Positions of examples, for which exporters look up masks: 0, 1, ... N - 1 along axis 0, beside
  // places within an example.
  [[nodiscard]] Position position_of(const Node& node, const ExampleOperands& x) {
    using enum Position;
    const ValueId first = node.inputs.empty() ? kNoValue : node.inputs[0];
    if (first == kNoValue || !goes_over_examples(node.output())) return kNone;
    if (std::holds_alternative<op::Range>(node.attributes)) {
      const auto start = x.integers(0);
      const auto step = x.integers(2);
      const bool counts = start && step && start->front() == 0 && step->front() == 1;
      return counts ? kEverywhere : kNone;
    }
    if (const auto* concat = std::get_if<op::Concat>(&node.attributes)) {
      const bool is_column = position(first) == kEverywhere && x.result_rank > 1 &&
                             axis_of(concat->axis, x.result_rank) + 1 == x.result_rank &&
                             dimensions(first).back() == 1;
      const bool others_are_apart = std::none_of(x.parts.begin() + 1, x.parts.end(),
                                                 [](Part part) { return part == Part::kSizes; });
      return is_column && others_are_apart ? kFirst : kNone;
    }
    const bool stays = std::holds_alternative<op::Identity>(node.attributes) ||
                       std::holds_alternative<op::Unsqueeze>(node.attributes) ||
                       (std::holds_alternative<op::Expand>(node.attributes) &&
                        dimensions(first).size() == x.result_rank);
    return stays && position(first) == kEverywhere && goes_over_examples(first) ? kEverywhere
                                                                                : kNone;
  }

  // Whether each example looks up what is its own.
  [[nodiscard]] bool looks_up_its_own(const Node& node, const ExampleOperands& x) {
    const auto* const gather = std::get_if<op::GatherNd>(&node.attributes);
    return gather != nullptr && gather->batch_dims == 0 && x.is(0, Part::kExamples) &&
           position(node.inputs[1]) == Position::kFirst && goes_over_examples(node.output());
  }

  // Elements of axes 1, 2, ... when they are known.
  [[nodiscard]] std::optional<std::int64_t> later_elements(ValueId id) const {
    std::int64_t count = 1;
    for (std::size_t i = 1; i < dimensions(id).size(); ++i) {
      const Dimension& dimension = dimensions(id)[i];
      if (dimension.is_free() || dimension.size == 0) return std::nullopt;
      count *= dimension.size;
    }
    return count;
  }
  [[nodiscard]] std::optional<std::int64_t> elements_of_example(ValueId id) {
    if (part(id) == Part::kExamples) return later_elements(id);
    const auto of_part = later_elements(id);
    if (!of_part) return std::nullopt;
    return *of_part * parts_of_example_[static_cast<std::size_t>(id)];
  }

  // Whether an operand has parts of examples, or the node makes them: [N, heads, ...] as
  // [N heads, ...].
  [[nodiscard]] bool is_about_parts(const Node& node, const ExampleOperands& x) const {
    return x.has(Part::kParts) || (std::holds_alternative<op::Reshape>(node.attributes) &&
                                   x.is(0, Part::kExamples) && !goes_over_examples(node.output()));
  }

  bool take_parts(const Node& node, const ExampleOperands& x) {
    const ValueId first = node.inputs[0];
    std::int64_t parts = parts_of_example_[static_cast<std::size_t>(first)];
    Part result = Part::kParts;
    if (std::holds_alternative<op::Reshape>(node.attributes)) {
      // Row-major elements stay in their order, and so many of them belong to each example.
      const auto all = elements_of_example(first);
      const auto later = later_elements(node.output());
      const bool is_target = x.is(1, Part::kFixed) || x.is(1, Part::kSizes);
      if (!is_target || dimensions(node.output()).empty() || !all || !later || *all % *later != 0) {
        return false;
      }
      parts = *all / *later;
      if (goes_over_examples(node.output()) && parts == 1) result = Part::kExamples;
    } else if (const auto* transpose = std::get_if<op::Transpose>(&node.attributes)) {
      if (transpose->order.empty() || transpose->order.front() != 0) return false;
    } else if (std::holds_alternative<op::MatMul>(node.attributes)) {
      const auto other = static_cast<std::size_t>(node.inputs[1]);
      const bool are_alike = x.is(0, Part::kParts) && x.is(1, Part::kParts) && x.rank(0) == 3 &&
                             x.rank(1) == 3 && parts == parts_of_example_[other];
      if (!are_alike) return false;
    } else {
      return false;
    }
    set_results(node, result);
    if (result == Part::kParts) {
      parts_of_example_[static_cast<std::size_t>(node.output())] = parts;
    }
    return true;
  }

  // False when examples may meet in this node.
  bool take(const Node& node) {
    const ExampleOperands operands = operands_of(node);
    if (const Position found = position_of(node, operands); found != Position::kNone) {
      position(node.output()) = found;
      set_results(node, Part::kSizes);
      return true;
    }
    if (looks_up_its_own(node, operands)) {
      set_results(node, Part::kExamples);
      return true;
    }
    if (is_about_parts(node, operands)) return take_parts(node, operands);
    if (std::holds_alternative<op::ShapeOf>(node.attributes) ||
        std::holds_alternative<op::Size>(node.attributes)) {
      set_results(node, Part::kSizes);
      return true;
    }
    if (!operands.has(Part::kExamples)) {
      const bool is_filled =
          std::holds_alternative<op::ConstantOfShape>(node.attributes) ||
          (std::holds_alternative<op::Expand>(node.attributes) && operands.is(0, Part::kFixed));
      const bool has_examples = is_filled && goes_over_examples(node.output());
      const Part result = operands.has(Part::kSizes) ? Part::kSizes : Part::kFixed;
      set_results(node, has_examples ? Part::kExamples : result);
      return true;
    }
    // Places in all of x are no places in one example.
    const bool has_places = std::holds_alternative<op::MaxPool>(node.attributes) &&
                            node.outputs.size() > 1 && node.outputs[1] != kNoValue;
    const bool keeps_axis = std::ranges::all_of(
        node.outputs, [&](ValueId id) { return id == kNoValue || goes_over_examples(id); });
    if (has_places || !keeps_axis) return false;
    set_results(node, Part::kExamples);
    if (std::holds_alternative<op::MaxPool>(node.attributes)) return true;
    return keeps_examples(node.attributes, operands);
  }

  const Graph& graph_;
  FactTable facts_;
  std::vector<Part> parts_;
  std::vector<Position> positions_;
  std::vector<std::int64_t> parts_of_example_;  // where a value has parts
  Dimension batch_;
};

}  // namespace

std::optional<std::string> mixed_examples(const Graph& graph) { return BatchWalk(graph).run(); }

}  // namespace narrow
