#include "graph/rules/example_rules.h"

#include <initializer_list>
#include <variant>

#include "graph/dimension_math.h"

namespace narrow {
namespace {

using Part = ExamplePart;

// For each element by itself: axis 0 of an operand meets axis 0 of the result.
bool is_elementwise(const ExampleOperands& x) {
  for (std::size_t i = 0; i < x.parts.size(); ++i) {
    if (x.parts[i] == Part::kSizes) return false;
    if (x.parts[i] == Part::kExamples && x.rank(i) != x.result_rank) return false;
  }
  return true;
}

// In general: not known to.
template <typename Op>
bool keeps(const Op& /*op*/, const ExampleOperands& /*x*/) {
  return false;
}
bool keeps(const op::Relu& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::Add& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::Unary& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::Activation& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::Clip& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::PRelu& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::Binary& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::Variadic& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::Compare& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::Logical& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::Where& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::IsInf& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::Cast& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::CastLike& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }
bool keeps(const op::Dropout& /*op*/, const ExampleOperands& x) { return is_elementwise(x); }

bool keeps(const op::Conv& /*op*/, const ExampleOperands& x) { return x.only_first(); }
bool keeps(const op::ConvTranspose& /*op*/, const ExampleOperands& x) { return x.only_first(); }
bool keeps(const op::AveragePool& /*op*/, const ExampleOperands&) { return true; }
bool keeps(const op::LpPool& /*op*/, const ExampleOperands&) { return true; }
bool keeps(const op::GlobalAveragePool& /*op*/, const ExampleOperands&) { return true; }
bool keeps(const op::GlobalMaxPool& /*op*/, const ExampleOperands&) { return true; }
bool keeps(const op::LocalResponseNormalization& /*op*/, const ExampleOperands&) { return true; }
bool keeps(const op::DepthToSpace& /*op*/, const ExampleOperands&) { return true; }
bool keeps(const op::SpaceToDepth& /*op*/, const ExampleOperands&) { return true; }

bool keeps(const op::BatchNormalization& norm, const ExampleOperands& x) {
  return !norm.training_mode && x.only_first();
}
bool keeps(const op::InstanceNormalization& /*op*/, const ExampleOperands& x) {
  return x.only_first();
}
bool keeps(const op::GroupNormalization& /*op*/, const ExampleOperands& x) {
  return x.only_first();
}
// Scales of as many axes could have one for each example.
bool keeps_before(std::int64_t axis, const ExampleOperands& x) {
  for (std::size_t i = 1; i < x.facts.size(); ++i) {
    if (x.facts[i] != nullptr && x.rank(i) >= x.rank(0)) return false;
  }
  return x.only_first() && x.is_later(axis);
}
bool keeps(const op::LayerNormalization& norm, const ExampleOperands& x) {
  return keeps_before(norm.axis, x);
}
bool keeps(const op::RmsNormalization& norm, const ExampleOperands& x) {
  return keeps_before(norm.axis, x);
}
bool keeps(const op::Softmax& softmax, const ExampleOperands& x) {
  return x.is_later(softmax.axis);
}
bool keeps(const op::Hardmax& hardmax, const ExampleOperands& x) {
  return x.is_later(hardmax.axis);
}
bool keeps(const op::LpNormalization& norm, const ExampleOperands& x) {
  return x.is_later(norm.axis);
}

bool keeps(const op::MatMul& /*op*/, const ExampleOperands& x) {
  if (x.has(Part::kSizes)) return false;
  const std::size_t a = x.rank(0);
  const std::size_t b = x.rank(1);
  if (x.all_examples()) return a == b && a >= 3;
  return x.is(0, Part::kExamples) ? a >= 2 && b <= a : b >= 3 && a <= b;
}
bool keeps(const op::Gemm& gemm, const ExampleOperands& x) {
  if (gemm.transpose_a || !x.is(0, Part::kExamples) || !x.is(1, Part::kFixed)) return false;
  return x.parts.size() < 3 || x.is(2, Part::kFixed) ||
         (x.is(2, Part::kExamples) && x.rank(2) == 2);
}

// Views: row-major elements stay in their order, and axis 0 stays.
bool keeps(const op::Identity& /*op*/, const ExampleOperands&) { return true; }
bool keeps(const op::Flatten& /*op*/, const ExampleOperands&) { return true; }
bool keeps(const op::Reshape& /*op*/, const ExampleOperands& x) { return x.first_and_sizes(); }
bool keeps(const op::Squeeze& /*op*/, const ExampleOperands& x) { return x.first_and_sizes(); }
bool keeps(const op::Unsqueeze& /*op*/, const ExampleOperands& x) { return x.first_and_sizes(); }

bool keeps(const op::Transpose& transpose, const ExampleOperands&) {
  return !transpose.order.empty() && transpose.order.front() == 0;
}
bool keeps(const op::Concat& concat, const ExampleOperands& x) {
  return x.all_examples() && x.is_later(concat.axis);
}
bool keeps(const op::Split& split, const ExampleOperands& x) {
  return x.first_and_sizes() && x.is_later(split.axis);
}

// Axis 0 may be listed when all of it is taken.
bool keeps(const op::Slice& /*op*/, const ExampleOperands& x) {
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

bool keeps(const op::Pad& /*op*/, const ExampleOperands& x) {
  const auto pads = x.integers(1);
  if (!x.only_first() || !pads) return false;
  if (input_at(x.facts, 3) != nullptr) return x.lists_later_axes(3);
  return (*pads)[0] == 0 && (*pads)[x.rank(0)] == 0;
}
bool keeps(const op::Expand& /*op*/, const ExampleOperands& x) {
  return x.first_and_sizes() && x.rank(0) == x.result_rank;
}
bool keeps(const op::Tile& /*op*/, const ExampleOperands& x) {
  const auto repeats = x.integers(1);
  return x.only_first() && repeats && (*repeats)[0] == 1;
}
bool keeps(const op::Gather& gather, const ExampleOperands& x) {
  if (x.is(0, Part::kFixed)) return x.is(1, Part::kExamples) && !x.is_later(gather.axis);
  return x.only_first() && x.is_later(gather.axis);
}
bool keeps(const op::GatherElements& gather, const ExampleOperands& x) {
  return x.all_examples() && x.is_later(gather.axis);
}
bool keeps(const op::GatherNd& gather, const ExampleOperands& x) {
  if (gather.batch_dims > 0) return x.all_examples();
  return x.is(0, Part::kFixed) && x.is(1, Part::kExamples) && x.rank(1) >= 2;
}
bool keeps(const op::Trilu& /*op*/, const ExampleOperands& x) {
  return x.only_first() && x.rank(0) >= 3;
}
bool keeps(const op::ReverseSequence& reverse, const ExampleOperands& x) {
  return x.all_examples() && !x.is_later(reverse.batch_axis) && x.is_later(reverse.time_axis);
}
bool keeps(const op::Resize& resize, const ExampleOperands& x) {
  return x.first_and_sizes() && resize.places != op::ResizePlaces::kTfCropAndResize;
}

bool keeps(const op::Reduce& reduce, const ExampleOperands& x) {
  if (!x.only_first()) return false;
  const auto axes = x.integers(1);
  if (axes && !axes->empty()) return x.lists_later_axes(1);
  return (axes || input_at(x.facts, 1) == nullptr) && reduce.none_without_axes;
}
bool keeps(const op::ArgReduce& reduce, const ExampleOperands& x) {
  return x.is_later(reduce.axis);
}
bool keeps(const op::TopK& top, const ExampleOperands& x) {
  return x.only_first() && x.is_later(top.axis);
}
bool keeps(const op::CumSum& /*op*/, const ExampleOperands& x) {
  return x.only_first() && x.lists_later_axes(1);
}
bool keeps(const op::OneHot& one_hot, const ExampleOperands& x) {
  return x.only_first() && axis_of(one_hot.axis, x.rank(0) + 1) != 0;
}

// Scales and zero points of axis 0 would be one for each example.
bool keeps_scales(std::int64_t axis, std::int64_t block_size, const ExampleOperands& x) {
  const bool has_one_scale = block_size == 0 && product(x.facts[1]->dimensions) == Dimension(1);
  return x.only_first() && (has_one_scale || x.is_later(axis));
}
bool keeps(const op::QuantizeLinear& quantize, const ExampleOperands& x) {
  return keeps_scales(quantize.axis, quantize.block_size, x);
}
bool keeps(const op::DequantizeLinear& dequantize, const ExampleOperands& x) {
  return keeps_scales(dequantize.axis, dequantize.block_size, x);
}
bool keeps(const op::ConvInteger& /*op*/, const ExampleOperands& x) { return x.only_first(); }
bool keeps(const op::QLinearConv& /*op*/, const ExampleOperands& x) { return x.only_first(); }
// Rows of a are examples or parts of one; so may have no scales or zero points of their own.
bool keeps_rows(const ExampleOperands& x, std::size_t b,
                std::initializer_list<std::size_t> of_rows) {
  const bool has_one_each = std::ranges::all_of(of_rows, [&](std::size_t i) {
    const Fact* const parameter = input_at(x.facts, i);
    return parameter == nullptr || product(parameter->dimensions) == Dimension(1);
  });
  return x.only_first() && x.rank(0) >= 2 && x.rank(b) <= x.rank(0) && has_one_each;
}
bool keeps(const op::MatMulInteger& /*op*/, const ExampleOperands& x) {
  return keeps_rows(x, 1, {2});
}
bool keeps(const op::QLinearMatMul& /*op*/, const ExampleOperands& x) {
  return keeps_rows(x, 3, {1, 2, 6, 7});
}

}  // namespace

bool keeps_examples(const Attributes& attributes, const ExampleOperands& operands) {
  return std::visit([&](const auto& op) { return keeps(op, operands); }, attributes);
}

}  // namespace narrow
