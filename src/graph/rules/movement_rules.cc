// Operators that give elements another shape or put values together.
#include <fmt/format.h>

#include <algorithm>

#include "graph/rules/fact_rules.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

// The dimension that -1 of a shape stands for: what remains of x beside the others.
Dimension remaining(const Dimensions& x, const Dimensions& others) {
  Dimensions from = x;
  Dimensions to = others;
  // Sizes that occur on both sides cancel out, with symbols too.
  for (auto dimension = to.begin(); dimension != to.end();) {
    const bool is_named = !dimension->is_free() || !dimension->symbol.empty();
    const auto same = std::ranges::find(from, *dimension);
    if (!is_named || same == from.end() || *dimension == Dimension(0)) {
      ++dimension;
      continue;
    }
    from.erase(same);
    dimension = to.erase(dimension);
  }
  const Dimension rest = product(to);
  // [N, 3, 4] as [-1, 12]: the known sizes are the rest, N remains.
  const auto free = std::ranges::find_if(from, &Dimension::is_free);
  if (free != from.end() && !rest.is_free()) {
    const Dimension symbol = *free;
    Dimensions known = from;
    known.erase(known.begin() + (free - from.begin()));
    if (product(known) == rest) return symbol;
  }
  const Dimension all = product(from);
  if (rest == Dimension(1)) return all;
  if (all.is_free() || rest.is_free()) return {};
  if (rest.size == 0 || all.size % rest.size != 0) {
    refuse_inputs(fmt::format("{} cannot be given a shape that has {} as a part", to_string(x),
                              to_string(others)));
  }
  return all.size / rest.size;
}

Dimensions reshaped(const Dimensions& x, const std::vector<SymbolicInteger>& shape,
                    bool allow_zero) {
  Dimensions result;
  std::optional<std::size_t> open;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i].value == -1) {
      if (open) refuse_inputs("its shape has -1 twice");
      open = i;
      result.emplace_back();
    } else if (shape[i].value == 0 && !allow_zero) {
      if (i >= x.size()) {
        refuse_inputs(fmt::format("its shape has 0 where {} has no axis {}", to_string(x), i));
      }
      result.push_back(x[i]);
    } else {
      result.push_back(as_dimension(shape[i]));
    }
  }
  if (open) {
    Dimensions others = result;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(*open));
    result[*open] = remaining(x, others);
  }
  const Dimension before = product(x);
  const Dimension after = product(result);
  if (!may_be_equal(before, after)) {
    refuse_inputs(fmt::format("{} cannot be given the shape {}", to_string(x), to_string(result)));
  }
  return result;
}

// The elements stay what they are.
Facts with_elements(const Fact& x, Dimensions dimensions) {
  Facts facts = one_fact(x.type, std::move(dimensions));
  if (facts[0].dimensions.size() > 1) return facts;
  facts[0].integers = x.integers;
  facts[0].reals = x.reals;
  return facts;
}

// Of parts that are known one after the other.
std::optional<std::vector<SymbolicInteger>> joined_integers(FactInputs inputs) {
  std::vector<SymbolicInteger> joined;
  for (const Fact* input : inputs) {
    if (!input->integers || input->dimensions.size() != 1) return std::nullopt;
    joined.insert(joined.end(), input->integers->begin(), input->integers->end());
  }
  if (joined.size() > kMostKnownElements) return std::nullopt;
  return joined;
}

}  // namespace

Facts infer(const op::Identity& /*identity*/, FactInputs inputs) { return {*inputs[0]}; }

Facts infer(const op::Flatten& flatten, FactInputs inputs) {
  const std::span<const Dimension> x = inputs[0]->dimensions;
  const auto rank = static_cast<std::int64_t>(x.size());
  if (flatten.axis < -rank || flatten.axis > rank) {
    refuse_inputs(fmt::format("its axis {} is not one of {}", flatten.axis, rank));
  }
  const auto split =
      static_cast<std::size_t>(flatten.axis < 0 ? flatten.axis + rank : flatten.axis);
  return one_fact(inputs[0]->type, {product(x.first(split)), product(x.subspan(split))});
}

Facts infer(const op::Reshape& reshape, FactInputs inputs) {
  const Fact& x = *inputs[0];
  const Fact& shape = *inputs[1];
  const std::size_t rank = known_length(shape, "axes");
  if (!shape.integers) return one_fact(x.type, Dimensions(rank));
  return with_elements(x, reshaped(x.dimensions, *shape.integers, reshape.allow_zero));
}

Facts infer(const op::Squeeze& /*squeeze*/, FactInputs inputs) {
  const Fact& x = *inputs[0];
  const std::size_t rank = x.dimensions.size();
  const Fact* const axes = input_at(inputs, 1);
  std::vector<bool> is_removed(rank, false);
  if (axes != nullptr) {
    require_index(*axes);
    const auto known = known_integers(axes);
    if (!known) {
      const std::size_t count = known_length(*axes, "axes");
      if (count > rank)
        refuse_inputs(fmt::format("{} has no {} axes", to_string(x.dimensions), count));
      return one_fact(x.type, Dimensions(rank - count));
    }
    for (const std::size_t axis : axes_of(*known, rank)) {
      if (!may_be_equal(x.dimensions[axis], 1)) {
        refuse_inputs(fmt::format("axis {} of {} is not of size 1", axis, to_string(x.dimensions)));
      }
      is_removed[axis] = true;
    }
  } else {
    for (std::size_t axis = 0; axis < rank; ++axis) {
      if (x.dimensions[axis].is_free() && x.dimensions[axis].symbol.empty()) {
        refuse_inputs(
            fmt::format("which axes of {} are of size 1 is not known", to_string(x.dimensions)));
      }
      is_removed[axis] = x.dimensions[axis] == Dimension(1);
    }
  }
  Dimensions result;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    if (!is_removed[axis]) result.push_back(x.dimensions[axis]);
  }
  return with_elements(x, std::move(result));
}

Facts infer(const op::Unsqueeze& /*unsqueeze*/, FactInputs inputs) {
  const Fact& x = *inputs[0];
  require_index(*inputs[1]);
  const auto known = known_integers(inputs[1]);
  const std::size_t count = known ? known->size() : known_length(*inputs[1], "axes");
  const std::size_t rank = x.dimensions.size() + count;
  if (!known) return one_fact(x.type, Dimensions(rank));
  std::vector<bool> is_new(rank, false);
  for (const std::size_t axis : axes_of(*known, rank)) is_new[axis] = true;
  Dimensions result;
  std::size_t next = 0;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    result.push_back(is_new[axis] ? Dimension(1) : x.dimensions[next++]);
  }
  return with_elements(x, std::move(result));
}

Facts infer(const op::Transpose& transpose, FactInputs inputs) {
  const Dimensions& x = inputs[0]->dimensions;
  if (transpose.order.empty()) return one_fact(inputs[0]->type, {x.rbegin(), x.rend()});
  if (transpose.order.size() != x.size()) {
    refuse_inputs(fmt::format("an order of {} axes does not fit its input {}",
                              transpose.order.size(), to_string(x)));
  }
  Dimensions result;
  for (const std::size_t axis : axes_of(transpose.order, x.size())) result.push_back(x[axis]);
  return one_fact(inputs[0]->type, std::move(result));
}

Facts infer(const op::Concat& concat, FactInputs inputs) {
  require_same_type(inputs);
  Dimensions result = inputs[0]->dimensions;
  const std::size_t axis = axis_of(concat.axis, result.size());
  for (const Fact* input : inputs.subspan(1)) {
    bool fits = input->dimensions.size() == result.size();
    for (std::size_t i = 0; fits && i < result.size(); ++i) {
      if (i == axis) continue;
      fits = may_be_equal(result[i], input->dimensions[i]);
      if (result[i].is_free()) result[i] = input->dimensions[i];
    }
    if (!fits) {
      refuse_inputs(fmt::format("{} and {} cannot be joined along axis {}",
                                to_string(inputs[0]->dimensions), to_string(input->dimensions),
                                axis));
    }
    result[axis] = sum(result[axis], input->dimensions[axis]);
  }
  Facts facts = one_fact(inputs[0]->type, std::move(result));
  facts[0].integers = joined_integers(inputs);
  return facts;
}

Facts infer(const op::Split& split, FactInputs inputs) {
  const Fact& x = *inputs[0];
  if (input_at(inputs, 1) != nullptr && !is_integer(inputs[1]->type)) {
    refuse_inputs("its sizes are no integers");
  }
  const std::size_t axis = axis_of(split.axis, x.dimensions.size());
  const auto sizes = known_integers(input_at(inputs, 1));
  const Dimension whole = x.dimensions[axis];
  if (split.parts < 1) refuse_inputs("it has no outputs");
  const std::int64_t part = whole.is_free() ? 0 : (whole.size + split.parts - 1) / split.parts;
  Facts facts;
  std::int64_t begin = 0;
  for (std::int64_t i = 0; i < split.parts; ++i) {
    Fact fact = {x.type, x.dimensions};
    Dimension& size = fact.dimensions[axis];
    if (sizes) {
      if (static_cast<std::int64_t>(sizes->size()) != split.parts) {
        refuse_inputs(fmt::format("{} sizes for {} parts", sizes->size(), split.parts));
      }
      size = as_dimension({(*sizes)[static_cast<std::size_t>(i)]});
    } else if (input_at(inputs, 1) != nullptr || whole.is_free()) {
      size = {};
    } else {
      size = std::clamp<std::int64_t>(whole.size - i * part, 0, part);
    }
    if (!whole.is_free() && !size.is_free()) {
      if (size.size > whole.size - begin) {
        refuse_inputs(
            fmt::format("its parts are longer than axis {} of {}", axis, to_string(x.dimensions)));
      }
      if (x.integers && x.dimensions.size() == 1) {
        fact.integers.emplace(x.integers->begin() + begin, x.integers->begin() + begin + size.size);
      }
      begin += size.size;
    }
    facts.push_back(std::move(fact));
  }
  if (sizes && !whole.is_free() && begin != whole.size) {
    refuse_inputs(
        fmt::format("its parts are {} of axis {} of {}", begin, axis, to_string(x.dimensions)));
  }
  return facts;
}

Facts infer(const op::Expand& /*expand*/, FactInputs inputs) {
  const Fact& x = *inputs[0];
  const Fact& shape = *inputs[1];
  const std::size_t rank = known_length(shape, "axes");
  if (!shape.integers) return one_fact(x.type, Dimensions(std::max(rank, x.dimensions.size())));
  Dimensions target;
  for (const SymbolicInteger& size : *shape.integers) target.push_back(as_dimension(size));
  return one_fact(x.type, broadcast(x.dimensions, target, "broadcast"));
}

Facts infer(const op::Tile& /*tile*/, FactInputs inputs) {
  const Fact& x = *inputs[0];
  const std::size_t count = known_length(*inputs[1], "repeats");
  if (count != x.dimensions.size()) {
    refuse_inputs(fmt::format("{} repeats for {}", count, to_string(x.dimensions)));
  }
  Dimensions result = x.dimensions;
  for (std::size_t axis = 0; axis < result.size(); ++axis) {
    result[axis] = inputs[1]->integers
                       ? product(result[axis], as_dimension((*inputs[1]->integers)[axis]))
                       : Dimension();
  }
  return one_fact(x.type, std::move(result));
}

Facts infer(const op::DepthToSpace& blocks, FactInputs inputs) {
  Dimensions x = inputs[0]->dimensions;
  const Dimension block = blocks.block;
  if (x.size() != 4 || blocks.block < 1 || blocks.block > 1024 ||
      (!x[1].is_free() && x[1].size % (blocks.block * blocks.block) != 0)) {
    refuse_inputs(fmt::format("its input {} has no blocks of {}", to_string(x), blocks.block));
  }
  if (!x[1].is_free()) x[1] = x[1].size / (blocks.block * blocks.block);
  x[2] = product(x[2], block);
  x[3] = product(x[3], block);
  return one_fact(inputs[0]->type, std::move(x));
}

Facts infer(const op::SpaceToDepth& blocks, FactInputs inputs) {
  Dimensions x = inputs[0]->dimensions;
  const auto divides = [&](const Dimension& size) {
    return size.is_free() || size.size % blocks.block == 0;
  };
  if (x.size() != 4 || blocks.block < 1 || blocks.block > 1024 || !divides(x[2]) ||
      !divides(x[3])) {
    refuse_inputs(fmt::format("its input {} has no blocks of {}", to_string(x), blocks.block));
  }
  x[1] = product(x[1], blocks.block * blocks.block);
  if (!x[2].is_free()) x[2] = x[2].size / blocks.block;
  if (!x[3].is_free()) x[3] = x[3].size / blocks.block;
  return one_fact(inputs[0]->type, std::move(x));
}

Facts infer(const op::Trilu& /*trilu*/, FactInputs inputs) {
  if (const Fact* diagonal = input_at(inputs, 1)) require_one_integer(*diagonal);
  require_rank(*inputs[0], 2);
  return one_fact(inputs[0]->type, inputs[0]->dimensions);
}

Facts infer(const op::ReverseSequence& reverse, FactInputs inputs) {
  const Dimensions& x = inputs[0]->dimensions;
  const std::size_t batch = axis_of(reverse.batch_axis, x.size());
  const std::size_t time = axis_of(reverse.time_axis, x.size());
  require_index(*inputs[1]);
  if (batch == time || inputs[1]->dimensions.size() != 1 ||
      !may_be_equal(inputs[1]->dimensions[0], x[batch])) {
    refuse_inputs(fmt::format("lengths {} do not fit its input {}",
                              to_string(inputs[1]->dimensions), to_string(x)));
  }
  return one_fact(inputs[0]->type, x);
}

}  // namespace narrow
