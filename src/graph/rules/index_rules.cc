// Operators that take elements by their places.
#include <fmt/format.h>

#include <algorithm>

#include "graph/rules/fact_rules.h"
#include "graph/rules/slice.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

void require_indices(const Fact& indices) {
  if (is_integer(indices.type)) return;
  refuse_inputs(
      fmt::format("its indices are of type {}, expected integers", to_string(indices.type)));
}

// Elements of a shape that are taken by known indices.
std::optional<std::vector<SymbolicInteger>> taken(const Fact& x, const Fact& indices) {
  if (!x.integers || x.dimensions.size() != 1 || !indices.integers) return std::nullopt;
  const auto known = known_integers(&indices);
  if (!known) return std::nullopt;
  std::vector<SymbolicInteger> result;
  for (const std::int64_t index : *known) {
    result.push_back((*x.integers)[axis_of(index, x.integers->size())]);
  }
  return result;
}

Facts scatter_facts(FactInputs inputs) {
  require_indices(*inputs[1]);
  const Fact* const both[] = {inputs[0], inputs[2]};
  require_same_type(both);
  return one_fact(inputs[0]->type, inputs[0]->dimensions);
}

// The rest of x behind the axes that the last axis of `indices` goes over.
Dimensions behind_indices(const Dimensions& x, const Dimensions& indices, std::size_t batch) {
  if (indices.empty() || indices.back().is_free() || batch >= indices.size() || batch > x.size() ||
      static_cast<std::size_t>(indices.back().size) > x.size() - batch) {
    refuse_inputs(
        fmt::format("indices {} do not fit its input {}", to_string(indices), to_string(x)));
  }
  const auto begin = static_cast<std::ptrdiff_t>(batch) + indices.back().size;
  return {x.begin() + begin, x.end()};
}

}  // namespace

SlicedAxis sliced_axis(std::int64_t size, std::int64_t start, std::int64_t end, std::int64_t step) {
  if (step == 0) refuse_inputs("a step of 0");
  if (size == 0) return {0, step, 0};
  if (start < 0) start += size;
  if (end < 0) end += size;
  if (step > 0) {
    start = std::clamp<std::int64_t>(start, 0, size);
    end = std::clamp<std::int64_t>(end, 0, size);
    const std::int64_t length = end - start;
    return {start, step, length <= 0 ? 0 : (length - 1) / step + 1};
  }
  start = std::clamp<std::int64_t>(start, 0, size - 1);
  end = std::clamp<std::int64_t>(end, -1, size - 1);
  const std::int64_t length = start - end;
  // Not -step: the least integer has no opposite.
  return {start, step, length <= 0 ? 0 : -((length - 1) / step) + 1};
}

Facts infer(const op::Slice& /*slice*/, FactInputs inputs) {
  const Fact& x = *inputs[0];
  for (const Fact* input : inputs.subspan(1)) {
    if (input != nullptr) require_index(*input);
  }
  const auto starts = known_integers(inputs[1]);
  const auto ends = known_integers(inputs[2]);
  auto axes = known_integers(input_at(inputs, 3));
  auto steps = known_integers(input_at(inputs, 4));
  if (input_at(inputs, 3) == nullptr && starts) {
    axes.emplace();
    for (std::size_t i = 0; i < starts->size(); ++i) axes->push_back(static_cast<std::int64_t>(i));
  }
  if (input_at(inputs, 4) == nullptr && starts) steps.emplace(starts->size(), 1);
  if (!axes) return one_fact(x.type, Dimensions(x.dimensions.size()));
  Facts facts = one_fact(x.type, x.dimensions);
  const std::vector<std::size_t> sliced = axes_of(*axes, x.dimensions.size());
  if (!starts || !ends || !steps) {
    for (const std::size_t axis : sliced) facts[0].dimensions[axis] = {};
    return facts;
  }
  if (starts->size() != axes->size() || ends->size() != axes->size() ||
      steps->size() != axes->size()) {
    refuse_inputs(fmt::format("{} starts, {} ends and {} steps for {} axes", starts->size(),
                              ends->size(), steps->size(), axes->size()));
  }
  for (std::size_t i = 0; i < sliced.size(); ++i) {
    Dimension& size = facts[0].dimensions[sliced[i]];
    if (size.is_free()) {
      const bool is_whole = (*starts)[i] == 0 && (*ends)[i] >= INT32_MAX && (*steps)[i] == 1;
      if (!is_whole) size = {};
      continue;
    }
    const SlicedAxis places = sliced_axis(size.size, (*starts)[i], (*ends)[i], (*steps)[i]);
    size = places.count;
    if (!x.integers || x.dimensions.size() != 1) continue;
    facts[0].integers.emplace();
    for (std::int64_t k = 0; k < places.count; ++k) {
      const std::int64_t place = places.first + k * places.step;
      facts[0].integers->push_back((*x.integers)[static_cast<std::size_t>(place)]);
    }
  }
  return facts;
}

Facts infer(const op::Pad& pad, FactInputs inputs) {
  const Fact& x = *inputs[0];
  const Fact* const axes_input = input_at(inputs, 3);
  require_index(*inputs[1]);
  if (axes_input != nullptr) require_index(*axes_input);
  const auto pads = known_integers(inputs[1]);
  auto axes = known_integers(axes_input);
  if (axes_input == nullptr) {
    axes.emplace();
    for (std::size_t i = 0; i < x.dimensions.size(); ++i) {
      axes->push_back(static_cast<std::int64_t>(i));
    }
  }
  if (!pads || !axes) return one_fact(x.type, Dimensions(x.dimensions.size()));
  const std::vector<std::size_t> padded = axes_of(*axes, x.dimensions.size());
  if (pads->size() != 2 * padded.size()) {
    refuse_inputs(fmt::format("{} pads for {} axes", pads->size(), padded.size()));
  }
  Dimensions result = x.dimensions;
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  for (std::size_t i = 0; i < padded.size(); ++i) {
    const std::int64_t before = (*pads)[i];
    const std::int64_t after = (*pads)[i + padded.size()];
    Dimension& size = result[padded[i]];
    if (std::max(before, after) > kMost || std::min(before, after) < -kMost ||
        (!size.is_free() && size.size > kMost)) {
      refuse_inputs(fmt::format("pads of {} and {}", before, after));
    }
    if (before == 0 && after == 0) continue;
    if (size.is_free()) {
      size = {};
      continue;
    }
    if (pad.mode != op::PadMode::kConstant && size.size == 0) {
      refuse_inputs(fmt::format("{} has nothing to repeat", to_string(x.dimensions)));
    }
    size = as_dimension({size.size + before + after});
  }
  return one_fact(x.type, std::move(result));
}

Facts infer(const op::Gather& gather, FactInputs inputs) {
  const Dimensions& x = inputs[0]->dimensions;
  const Dimensions& indices = inputs[1]->dimensions;
  require_indices(*inputs[1]);
  const auto axis = static_cast<std::ptrdiff_t>(axis_of(gather.axis, x.size()));
  Dimensions result(x.begin(), x.begin() + axis);
  result.insert(result.end(), indices.begin(), indices.end());
  result.insert(result.end(), x.begin() + axis + 1, x.end());
  Facts facts = one_fact(inputs[0]->type, std::move(result));
  if (indices.size() <= 1) facts[0].integers = taken(*inputs[0], *inputs[1]);
  return facts;
}

Facts infer(const op::GatherNd& gather, FactInputs inputs) {
  const Dimensions& x = inputs[0]->dimensions;
  const Dimensions& indices = inputs[1]->dimensions;
  require_indices(*inputs[1]);
  if (gather.batch_dims < 0) refuse_inputs(fmt::format("{} batch axes", gather.batch_dims));
  const auto batch = static_cast<std::size_t>(gather.batch_dims);
  const Dimensions rest = behind_indices(x, indices, batch);
  for (std::size_t i = 0; i < batch; ++i) {
    if (may_be_equal(x[i], indices[i])) continue;
    refuse_inputs(fmt::format("batches of {} and {} differ", to_string(x), to_string(indices)));
  }
  Dimensions result(indices.begin(), indices.end() - 1);
  result.insert(result.end(), rest.begin(), rest.end());
  return one_fact(inputs[0]->type, std::move(result));
}

Facts infer(const op::GatherElements& gather, FactInputs inputs) {
  const Dimensions& x = inputs[0]->dimensions;
  const Dimensions& indices = inputs[1]->dimensions;
  require_indices(*inputs[1]);
  const std::size_t axis = axis_of(gather.axis, x.size());
  bool fits = x.size() == indices.size();
  for (std::size_t i = 0; fits && i < x.size(); ++i) {
    fits = i == axis || x[i].is_free() || indices[i].is_free() || indices[i].size <= x[i].size;
  }
  if (!fits) {
    refuse_inputs(
        fmt::format("indices {} do not fit its input {}", to_string(indices), to_string(x)));
  }
  return one_fact(inputs[0]->type, indices);
}

Facts infer(const op::ScatterNd& /*scatter*/, FactInputs inputs) {
  const Dimensions& x = inputs[0]->dimensions;
  const Dimensions& indices = inputs[1]->dimensions;
  Dimensions expected(indices.begin(), indices.empty() ? indices.end() : indices.end() - 1);
  const Dimensions rest = behind_indices(x, indices, 0);
  expected.insert(expected.end(), rest.begin(), rest.end());
  if (!std::ranges::equal(expected, inputs[2]->dimensions, may_be_equal)) {
    refuse_inputs(fmt::format("updates {}, expected {}", to_string(inputs[2]->dimensions),
                              to_string(expected)));
  }
  return scatter_facts(inputs);
}

Facts infer(const op::ScatterElements& scatter, FactInputs inputs) {
  infer(op::GatherElements{scatter.axis}, inputs.first(2));
  if (!std::ranges::equal(inputs[1]->dimensions, inputs[2]->dimensions, may_be_equal)) {
    refuse_inputs(fmt::format("updates {}, expected {}", to_string(inputs[2]->dimensions),
                              to_string(inputs[1]->dimensions)));
  }
  return scatter_facts(inputs);
}

}  // namespace narrow
