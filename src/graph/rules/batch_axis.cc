#include "graph/rules/batch_axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>
#include <vector>

#include "graph/operators.h"
#include "graph/rules/fact_rules.h"
#include "graph/shapes.h"

namespace narrow {
namespace {

// How a value depends on the examples.
enum class Part : std::uint8_t {
  kFixed,     // not at all
  kSizes,     // on sizes only
  kExamples,  // axis 0 goes over them
};

// The inputs of a node.
struct Operands {
  std::vector<Part> parts;
  std::vector<const Fact*> facts;  // null for one that is left out
  std::size_t result_rank = 0;

  [[nodiscard]] bool is(std::size_t index, Part part) const {
    return index < parts.size() && parts[index] == part;
  }
  [[nodiscard]] bool has(Part part) const { return std::ranges::find(parts, part) != parts.end(); }
  // Whether input 0 has the examples and every other is of the description.
  [[nodiscard]] bool only_first() const {
    return is(0, Part::kExamples) &&
           std::ranges::count(parts, Part::kFixed) + 1 == static_cast<std::ptrdiff_t>(parts.size());
  }
  // The same where others may be sizes.
  [[nodiscard]] bool first_and_sizes() const {
    return is(0, Part::kExamples) && std::ranges::count(parts, Part::kExamples) == 1;
  }
  [[nodiscard]] bool all_examples() const {
    return std::ranges::count(parts, Part::kExamples) == static_cast<std::ptrdiff_t>(parts.size());
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
// the examples. At least one operand has them.

// For each element by itself: axis 0 of an operand meets axis 0 of the result.
bool is_elementwise(const Operands& x) {
  for (std::size_t i = 0; i < x.parts.size(); ++i) {
    if (x.parts[i] == Part::kSizes) return false;
    if (x.parts[i] == Part::kExamples && x.rank(i) != x.result_rank) return false;
  }
  return true;
}

// In general: not known to.
template <typename Op>
bool keeps(const Op& /*op*/, const Operands& /*x*/) {
  return false;
}
bool keeps(const op::Relu& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::Add& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::Unary& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::Activation& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::Clip& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::PRelu& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::Binary& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::Variadic& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::Compare& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::Logical& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::Where& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::IsInf& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::Cast& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::CastLike& /*op*/, const Operands& x) { return is_elementwise(x); }
bool keeps(const op::Dropout& /*op*/, const Operands& x) { return is_elementwise(x); }

bool keeps(const op::Conv& /*op*/, const Operands& x) { return x.only_first(); }
bool keeps(const op::ConvTranspose& /*op*/, const Operands& x) { return x.only_first(); }
bool keeps(const op::AveragePool& /*op*/, const Operands&) { return true; }
bool keeps(const op::LpPool& /*op*/, const Operands&) { return true; }
bool keeps(const op::GlobalAveragePool& /*op*/, const Operands&) { return true; }
bool keeps(const op::GlobalMaxPool& /*op*/, const Operands&) { return true; }
bool keeps(const op::LocalResponseNormalization& /*op*/, const Operands&) { return true; }
bool keeps(const op::DepthToSpace& /*op*/, const Operands&) { return true; }
bool keeps(const op::SpaceToDepth& /*op*/, const Operands&) { return true; }

bool keeps(const op::BatchNormalization& norm, const Operands& x) {
  return !norm.training_mode && x.only_first();
}
bool keeps(const op::InstanceNormalization& /*op*/, const Operands& x) { return x.only_first(); }
bool keeps(const op::GroupNormalization& /*op*/, const Operands& x) { return x.only_first(); }
// Scales of as many axes could have one for each example.
bool keeps_before(std::int64_t axis, const Operands& x) {
  for (std::size_t i = 1; i < x.facts.size(); ++i) {
    if (x.facts[i] != nullptr && x.rank(i) >= x.rank(0)) return false;
  }
  return x.only_first() && x.is_later(axis);
}
bool keeps(const op::LayerNormalization& norm, const Operands& x) {
  return keeps_before(norm.axis, x);
}
bool keeps(const op::RmsNormalization& norm, const Operands& x) {
  return keeps_before(norm.axis, x);
}
bool keeps(const op::Softmax& softmax, const Operands& x) { return x.is_later(softmax.axis); }
bool keeps(const op::Hardmax& hardmax, const Operands& x) { return x.is_later(hardmax.axis); }
bool keeps(const op::LpNormalization& norm, const Operands& x) { return x.is_later(norm.axis); }

bool keeps(const op::MatMul& /*op*/, const Operands& x) {
  if (x.has(Part::kSizes)) return false;
  const std::size_t a = x.rank(0);
  const std::size_t b = x.rank(1);
  if (x.all_examples()) return a == b && a >= 3;
  return x.is(0, Part::kExamples) ? a >= 2 && b <= a : b >= 3 && a <= b;
}
bool keeps(const op::Gemm& gemm, const Operands& x) {
  if (gemm.transpose_a || !x.is(0, Part::kExamples) || !x.is(1, Part::kFixed)) return false;
  return x.parts.size() < 3 || x.is(2, Part::kFixed) ||
         (x.is(2, Part::kExamples) && x.rank(2) == 2);
}

// Views: row-major elements stay in their order, and axis 0 stays.
bool keeps(const op::Identity& /*op*/, const Operands&) { return true; }
bool keeps(const op::Flatten& /*op*/, const Operands&) { return true; }
bool keeps(const op::Reshape& /*op*/, const Operands& x) { return x.first_and_sizes(); }
bool keeps(const op::Squeeze& /*op*/, const Operands& x) { return x.first_and_sizes(); }
bool keeps(const op::Unsqueeze& /*op*/, const Operands& x) { return x.first_and_sizes(); }

bool keeps(const op::Transpose& transpose, const Operands&) {
  return !transpose.order.empty() && transpose.order.front() == 0;
}
bool keeps(const op::Concat& concat, const Operands& x) {
  return x.all_examples() && x.is_later(concat.axis);
}
bool keeps(const op::Split& split, const Operands& x) {
  return x.first_and_sizes() && x.is_later(split.axis);
}

// Axis 0 may be listed when all of it is taken.
bool keeps(const op::Slice& /*op*/, const Operands& x) {
  if (!x.first_and_sizes()) return false;
  const Fact* const starts = input_at(x.facts, 1);
  const auto count = known_length(*starts, "starts");
  auto axes = x.integers(3);
  if (!axes && input_at(x.facts, 3) != nullptr) return false;
  if (!axes) {
    axes.emplace();
    for (std::size_t i = 0; i < count; ++i) axes->push_back(static_cast<std::int64_t>(i));
  }
  for (std::size_t i = 0; i < axes->size(); ++i) {
    if (x.is_later((*axes)[i])) continue;
    const auto first = x.integers(1);
    const auto last = x.integers(2);
    const auto steps = x.integers(4);
    if (!steps && input_at(x.facts, 4) != nullptr) return false;
    if (!first || !last || (*first)[i] != 0 || (*last)[i] < INT32_MAX) return false;
    if (steps && (*steps)[i] != 1) return false;
  }
  return true;
}

bool keeps(const op::Pad& /*op*/, const Operands& x) {
  const auto pads = x.integers(1);
  if (!x.only_first() || !pads) return false;
  if (input_at(x.facts, 3) != nullptr) return x.lists_later_axes(3);
  return (*pads)[0] == 0 && (*pads)[x.rank(0)] == 0;
}
bool keeps(const op::Expand& /*op*/, const Operands& x) {
  return x.first_and_sizes() && x.rank(0) == x.result_rank;
}
bool keeps(const op::Tile& /*op*/, const Operands& x) {
  const auto repeats = x.integers(1);
  return x.only_first() && repeats && (*repeats)[0] == 1;
}
bool keeps(const op::Gather& gather, const Operands& x) {
  if (x.is(0, Part::kFixed)) return x.is(1, Part::kExamples) && !x.is_later(gather.axis);
  return x.only_first() && x.is_later(gather.axis);
}
bool keeps(const op::GatherElements& gather, const Operands& x) {
  return x.all_examples() && x.is_later(gather.axis);
}
bool keeps(const op::GatherNd& gather, const Operands& x) {
  if (gather.batch_dims > 0) return x.all_examples();
  return x.is(0, Part::kFixed) && x.is(1, Part::kExamples) && x.rank(1) >= 2;
}
bool keeps(const op::Trilu& /*op*/, const Operands& x) { return x.only_first() && x.rank(0) >= 3; }
bool keeps(const op::ReverseSequence& reverse, const Operands& x) {
  return x.all_examples() && !x.is_later(reverse.batch_axis) && x.is_later(reverse.time_axis);
}
bool keeps(const op::Resize& resize, const Operands& x) {
  return x.first_and_sizes() && resize.places != op::ResizePlaces::kTfCropAndResize;
}

bool keeps(const op::Reduce& reduce, const Operands& x) {
  if (!x.only_first()) return false;
  const auto axes = x.integers(1);
  if (axes && !axes->empty()) return x.lists_later_axes(1);
  return (axes || input_at(x.facts, 1) == nullptr) && reduce.none_without_axes;
}
bool keeps(const op::ArgReduce& reduce, const Operands& x) { return x.is_later(reduce.axis); }
bool keeps(const op::TopK& top, const Operands& x) {
  return x.only_first() && x.is_later(top.axis);
}
bool keeps(const op::CumSum& /*op*/, const Operands& x) {
  return x.only_first() && x.lists_later_axes(1);
}
bool keeps(const op::OneHot& one_hot, const Operands& x) {
  return x.only_first() && axis_of(one_hot.axis, x.rank(0) + 1) != 0;
}

// Scales and zero points of axis 0 would be one for each example.
bool keeps_scales(std::int64_t axis, std::int64_t block_size, const Operands& x) {
  const bool has_one_scale = block_size == 0 && product(x.facts[1]->dimensions) == Dimension(1);
  return x.only_first() && (has_one_scale || x.is_later(axis));
}
bool keeps(const op::QuantizeLinear& quantize, const Operands& x) {
  return keeps_scales(quantize.axis, quantize.block_size, x);
}
bool keeps(const op::DequantizeLinear& dequantize, const Operands& x) {
  return keeps_scales(dequantize.axis, dequantize.block_size, x);
}
bool keeps(const op::ConvInteger& /*op*/, const Operands& x) { return x.only_first(); }
bool keeps(const op::QLinearConv& /*op*/, const Operands& x) { return x.only_first(); }
// Rows of a are examples or parts of one; so may have no scales or zero points of their own.
bool keeps_rows(const Operands& x, std::size_t b, std::initializer_list<std::size_t> of_rows) {
  const bool has_one_each = std::ranges::all_of(of_rows, [&](std::size_t i) {
    const Fact* const parameter = input_at(x.facts, i);
    return parameter == nullptr || product(parameter->dimensions) == Dimension(1);
  });
  return x.only_first() && x.rank(0) >= 2 && x.rank(b) <= x.rank(0) && has_one_each;
}
bool keeps(const op::MatMulInteger& /*op*/, const Operands& x) { return keeps_rows(x, 1, {2}); }
bool keeps(const op::QLinearMatMul& /*op*/, const Operands& x) {
  return keeps_rows(x, 3, {1, 2, 6, 7});
}

class BatchWalk {
 public:
  explicit BatchWalk(const Graph& graph)
      : graph_(graph), facts_(infer_facts(graph)), parts_(graph.values.size(), Part::kFixed) {}

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
  [[nodiscard]] const Dimensions& dimensions(ValueId id) const {
    return facts_[static_cast<std::size_t>(id)].dimensions;
  }
  [[nodiscard]] bool goes_over_examples(ValueId id) const {
    return !dimensions(id).empty() && dimensions(id)[0] == batch_;
  }

  Operands operands_of(const Node& node) {
    Operands operands;
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

  // False when examples may meet in this node.
  bool take(const Node& node) {
    const Operands operands = operands_of(node);
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
    return std::visit([&](const auto& op) { return keeps(op, operands); }, node.attributes);
  }

  const Graph& graph_;
  FactTable facts_;
  std::vector<Part> parts_;
  Dimension batch_;
};

}  // namespace

std::optional<std::string> mixed_examples(const Graph& graph) { return BatchWalk(graph).run(); }

}  // namespace narrow
