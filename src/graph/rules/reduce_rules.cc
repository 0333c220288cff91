// Operators along axes, and those that make values out of little.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "graph/rules/fact_rules.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

Dimensions without_axes(const Dimensions& x, const std::vector<std::size_t>& axes, bool keep_dims) {
  Dimensions result;
  for (std::size_t axis = 0; axis < x.size(); ++axis) {
    const bool is_reduced = std::ranges::find(axes, axis) != axes.end();
    if (!is_reduced) result.push_back(x[axis]);
    if (is_reduced && keep_dims) result.emplace_back(1);
  }
  return result;
}

// How many steps lead from start to before the limit, when they are known.
Dimension range_length(double start, double limit, double step) {
  if (step == 0 || !std::isfinite(start) || !std::isfinite(limit) || !std::isfinite(step)) {
    refuse_inputs(fmt::format("a range from {} to {} in steps of {}", start, limit, step));
  }
  const double length = std::ceil((limit - start) / step);
  if (length >= 0x1p62) refuse_inputs(fmt::format("a range of {} elements", length));
  return length > 0 ? static_cast<std::int64_t>(length) : 0;
}

}  // namespace

Facts infer(const op::Reduce& reduce, FactInputs inputs) {
  const Fact& x = *inputs[0];
  const Fact* const axes_input = input_at(inputs, 1);
  const std::size_t rank = x.dimensions.size();
  std::optional<std::vector<std::int64_t>> axes = known_integers(axes_input);
  if (axes_input != nullptr && !axes && axes_input->dimensions != Dimensions{0}) {
    const std::size_t count = known_length(*axes_input, "axes");
    if (reduce.keep_dims) return one_fact(x.type, Dimensions(rank));
    if (count > rank) refuse_inputs(fmt::format("{} axes of {}", count, to_string(x.dimensions)));
    return one_fact(x.type, Dimensions(rank - count));
  }
  if (axes && !axes->empty()) {
    return one_fact(x.type, without_axes(x.dimensions, axes_of(*axes, rank), reduce.keep_dims));
  }
  if (reduce.none_without_axes) return one_fact(x.type, x.dimensions);
  return one_fact(x.type, Dimensions(reduce.keep_dims ? rank : 0, Dimension(1)));
}

Facts infer(const op::ArgReduce& reduce, FactInputs inputs) {
  const Fact& x = *inputs[0];
  const std::size_t axis = axis_of(reduce.axis, x.dimensions.size());
  if (x.dimensions[axis] == Dimension(0)) {
    refuse_inputs(fmt::format("axis {} of {} has no element", axis, to_string(x.dimensions)));
  }
  return one_fact(DType::kInt64, without_axes(x.dimensions, {axis}, reduce.keep_dims));
}

Facts infer(const op::TopK& top, FactInputs inputs) {
  const Fact& x = *inputs[0];
  const std::size_t axis = axis_of(top.axis, x.dimensions.size());
  Dimensions result = x.dimensions;
  require_index(*inputs[1]);
  const auto count = known_integers(inputs[1]);
  if (count && count->size() != 1) {
    refuse_inputs(fmt::format("{} numbers of elements, expected one", count->size()));
  }
  result[axis] = count ? as_dimension({(*count)[0]}) : Dimension();
  const Dimension& size = x.dimensions[axis];
  if (!result[axis].is_free() && !size.is_free() && result[axis].size > size.size) {
    refuse_inputs(fmt::format("{} elements of axis {} of {}", result[axis].size, axis,
                              to_string(x.dimensions)));
  }
  Facts facts = one_fact(x.type, result);
  facts.push_back({DType::kInt64, std::move(result)});
  return facts;
}

Facts infer(const op::CumSum& /*sums*/, FactInputs inputs) {
  require_index(*inputs[1]);
  if (const auto axis = known_integers(inputs[1])) {
    if (axis->size() != 1) refuse_inputs(fmt::format("{} axes, expected one", axis->size()));
    axis_of((*axis)[0], inputs[0]->dimensions.size());
  }
  return one_fact(inputs[0]->type, inputs[0]->dimensions);
}

Facts infer(const op::NonMaxSuppression& /*suppression*/, FactInputs inputs) {
  const Dimensions& boxes = inputs[0]->dimensions;
  const Dimensions& scores = inputs[1]->dimensions;
  require_real(*inputs[0]);
  require_real(*inputs[1]);
  if (boxes.size() != 3 || scores.size() != 3 || !may_be_equal(boxes[2], 4) ||
      !may_be_equal(boxes[0], scores[0]) || !may_be_equal(boxes[1], scores[2])) {
    refuse_inputs(
        fmt::format("boxes {} and scores {} do not fit", to_string(boxes), to_string(scores)));
  }
  return one_fact(DType::kInt64, {Dimension(), 3});
}

Facts infer(const op::NonZero& /*non_zero*/, FactInputs inputs) {
  const auto rank = static_cast<std::int64_t>(inputs[0]->dimensions.size());
  return one_fact(DType::kInt64, {rank, Dimension()});
}

Facts infer(const op::OneHot& one_hot, FactInputs inputs) {
  Dimensions result = inputs[0]->dimensions;
  const auto axis = static_cast<std::ptrdiff_t>(axis_of(one_hot.axis, result.size() + 1));
  if (!may_be_equal(product(inputs[1]->dimensions), 1)) {
    refuse_inputs(fmt::format("its depth is {}, expected one", to_string(inputs[1]->dimensions)));
  }
  const std::optional<double> depth = known_number(*inputs[1]);
  if (depth && !(*depth >= 0 && *depth < 0x1p62))
    refuse_inputs(fmt::format("a depth of {}", *depth));
  if (!may_be_equal(product(inputs[2]->dimensions), 2)) {
    refuse_inputs(fmt::format("its values are {}, expected [2]", to_string(inputs[2]->dimensions)));
  }
  result.insert(result.begin() + axis,
                depth ? Dimension(static_cast<std::int64_t>(*depth)) : Dimension());
  return one_fact(inputs[2]->type, std::move(result));
}

Facts infer(const op::ShapeOf& shape, FactInputs inputs) {
  const auto rank = static_cast<std::int64_t>(inputs[0]->dimensions.size());
  const auto bounded = [&](std::int64_t axis) {
    return std::clamp<std::int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  const std::int64_t start = bounded(shape.start);
  const std::int64_t end = std::max(bounded(shape.end), start);
  Facts facts = one_fact(DType::kInt64, {end - start});
  facts[0].integers.emplace();
  for (std::int64_t axis = start; axis < end; ++axis) {
    facts[0].integers->push_back(symbolic(inputs[0]->dimensions[static_cast<std::size_t>(axis)]));
  }
  return facts;
}

Facts infer(const op::Size& /*size*/, FactInputs inputs) {
  Facts facts = one_fact(DType::kInt64, {});
  facts[0].integers = {symbolic(product(inputs[0]->dimensions))};
  return facts;
}

Facts infer(const op::ConstantOfShape& fill, FactInputs inputs) {
  const Fact& shape = *inputs[0];
  const std::size_t rank = known_length(shape, "axes");
  if (!shape.integers) return one_fact(fill.type, Dimensions(rank));
  Dimensions result;
  for (const SymbolicInteger& size : *shape.integers) result.push_back(as_dimension(size));
  Facts facts = one_fact(fill.type, std::move(result));
  const Dimension count = product(facts[0].dimensions);
  const bool is_small =
      !count.is_free() && static_cast<std::size_t>(count.size) <= kMostKnownElements;
  if (facts[0].dimensions.size() <= 1 && is_small && is_integer(fill.type)) {
    const auto value =
        fill.value.empty() ? std::vector<std::int64_t>{0} : decode_integers(fill.type, fill.value);
    facts[0].integers.emplace(static_cast<std::size_t>(count.size), SymbolicInteger{value.at(0)});
  }
  return facts;
}

Facts infer(const op::Range& /*range*/, FactInputs inputs) {
  require_same_type(inputs);
  std::vector<double> numbers;
  for (const Fact* input : inputs) {
    const std::optional<double> number = known_number(*input);
    if (number) numbers.push_back(*number);
  }
  Facts facts = one_fact(inputs[0]->type, {Dimension()});
  if (numbers.size() != 3) {
    // 0, 1, ... up to a size that has a symbol.
    const bool counts = known_number(*inputs[0]) == 0.0 && known_number(*inputs[2]) == 1.0;
    const auto& limit = inputs[1]->integers;
    if (counts && limit && limit->size() == 1 && !limit->front().symbol.empty()) {
      facts[0].dimensions = {as_dimension(limit->front())};
    }
    return facts;
  }
  const Dimension length = range_length(numbers[0], numbers[1], numbers[2]);
  facts[0].dimensions = {length};
  if (!is_integer(inputs[0]->type) || static_cast<std::size_t>(length.size) > kMostKnownElements)
    return facts;
  facts[0].integers.emplace();
  for (std::int64_t i = 0; i < length.size; ++i) {
    facts[0].integers->push_back(
        {static_cast<std::int64_t>(numbers[0]) + i * static_cast<std::int64_t>(numbers[2])});
  }
  return facts;
}

Facts infer(const op::EyeLike& eye, FactInputs inputs) {
  if (inputs[0]->dimensions.size() != 2) {
    refuse_inputs(
        fmt::format("its input is {}, expected a matrix", to_string(inputs[0]->dimensions)));
  }
  return one_fact(eye.type_of_input ? inputs[0]->type : eye.type, inputs[0]->dimensions);
}

}  // namespace narrow
