#include "graph/operators.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "narrow/error.h"

namespace narrow {
namespace {

using InputDimensions = std::span<const Dimensions* const>;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCategory::kUnsupported, what);
}

void require_rank(const Dimensions& x, std::size_t least) {
  if (x.size() >= least) return;
  refuse(fmt::format("its input is {}, expected {} axes or more", to_string(x), least));
}

// Whether two dimensions may be of one size.
bool fits(const Dimension& a, const Dimension& b) {
  return a.is_free() || b.is_free() || a.size == b.size;
}

// Replaces the axes after batch and channels by the numbers of windows.
void place_windows(const Window& window, bool ceil_mode, Dimensions& x) {
  if (x.size() != window.rank() + 2) {
    refuse(fmt::format("its input is {}, its window has {} axes", to_string(x), window.rank()));
  }
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    Dimension& dimension = x[axis + 2];
    const bool stays = window.extent(axis) == 1 && window.strides[axis] == 1 &&
                       window.pads[axis] == 0 && window.pads[window.rank() + axis] == 0;
    if (dimension.is_free()) {
      if (!stays) dimension.symbol.clear();
      continue;
    }
    dimension = window_places(window, axis, dimension.size, ceil_mode).count;
  }
}

Dimensions conv_result(const Attributes& attributes, InputDimensions inputs) {
  const auto& conv = std::get<op::Conv>(attributes);
  Dimensions x = *inputs[0];
  const Dimensions& weights = *inputs[1];
  require_rank(x, 3);
  if (weights.size() != x.size() || conv.group < 1 || weights[0].is_free() ||
      weights[1].is_free() || weights[0].size % conv.group != 0) {
    refuse(fmt::format("weights {} in {} groups do not fit its input {}", to_string(weights),
                       conv.group, to_string(x)));
  }
  if (!fits(x[1], weights[1].size * conv.group)) {
    refuse(fmt::format("its input {} has {} channels, its weights {} take {}", to_string(x),
                       x[1].size, to_string(weights), weights[1].size * conv.group));
  }
  for (std::size_t axis = 0; axis < conv.window.rank(); ++axis) {
    if (weights.size() == conv.window.rank() + 2 &&
        fits(weights[axis + 2], conv.window.kernel[axis])) {
      continue;
    }
    refuse(fmt::format("its weights {} are not of its kernel {}", to_string(weights),
                       conv.window.kernel));
  }
  const Dimensions* const biases = inputs.size() > 2 ? inputs[2] : nullptr;
  if (biases != nullptr && *biases != Dimensions{weights[0]}) {
    refuse(fmt::format("its biases are {}, expected [{}]", to_string(*biases), weights[0].size));
  }
  place_windows(conv.window, false, x);
  x[1] = weights[0];
  return x;
}

Dimensions batch_norm_result(const Attributes& /*attributes*/, InputDimensions inputs) {
  const Dimensions& x = *inputs[0];
  require_rank(x, 2);
  for (const Dimensions* parameter : inputs.subspan(1)) {
    if (parameter->size() == 1 && fits((*parameter)[0], x[1])) continue;
    refuse(fmt::format("a parameter is {}, expected one value for each channel of {}",
                       to_string(*parameter), to_string(x)));
  }
  return x;
}

Dimensions same_result(const Attributes& /*attributes*/, InputDimensions inputs) {
  return *inputs[0];
}

Dimension broadcast(const Dimension& a, const Dimension& b) {
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
  refuse(fmt::format("sizes {} and {} cannot be added", a.size, b.size));
}

Dimensions broadcast_result(const Attributes& /*attributes*/, InputDimensions inputs) {
  const bool first_is_longer = inputs[0]->size() >= inputs[1]->size();
  Dimensions result = *inputs[first_is_longer ? 0 : 1];
  const Dimensions& other = *inputs[first_is_longer ? 1 : 0];
  const std::size_t ahead = result.size() - other.size();
  for (std::size_t i = 0; i < other.size(); ++i) {
    result[ahead + i] = broadcast(result[ahead + i], other[i]);
  }
  return result;
}

Dimensions max_pool_result(const Attributes& attributes, InputDimensions inputs) {
  const auto& pool = std::get<op::MaxPool>(attributes);
  Dimensions x = *inputs[0];
  place_windows(pool.window, pool.ceil_mode, x);
  return x;
}

Dimensions global_pool_result(const Attributes& /*attributes*/, InputDimensions inputs) {
  Dimensions x = *inputs[0];
  require_rank(x, 3);
  std::fill(x.begin() + 2, x.end(), Dimension(1));
  return x;
}

Dimension product(std::span<const Dimension> dimensions) {
  Dimension result = 1;
  for (const Dimension& dimension : dimensions) {
    if (result == Dimension(1)) {
      result = dimension;
    } else if (dimension != Dimension(1)) {
      if (result.is_free() || dimension.is_free()) return {};
      result.size *= dimension.size;
    }
  }
  return result;
}

Dimensions flatten_result(const Attributes& attributes, InputDimensions inputs) {
  const std::span<const Dimension> x = *inputs[0];
  const std::int64_t axis = std::get<op::Flatten>(attributes).axis;
  const auto rank = static_cast<std::int64_t>(x.size());
  if (axis < -rank || axis > rank) refuse(fmt::format("its axis {} is not one of {}", axis, rank));
  const auto split = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
  return {product(x.first(split)), product(x.subspan(split))};
}

// In the order of the alternatives of Attributes.
constexpr std::array<Operator, std::variant_size_v<Attributes>> kOperators = {{
    {"Conv", 2, 3, conv_result},
    {"BatchNormalization", 5, 5, batch_norm_result},
    {"Relu", 1, 1, same_result},
    {"Add", 2, 2, broadcast_result},
    {"MaxPool", 1, 1, max_pool_result},
    {"GlobalAveragePool", 1, 1, global_pool_result},
    {"Flatten", 1, 1, flatten_result},
}};

static_assert(kOperators.back().result != nullptr, "every operator of Attributes has a row");

std::string by_axes(std::span<const std::int64_t> values) {
  const bool equal = std::ranges::adjacent_find(values, std::not_equal_to{}) == values.end();
  return equal ? std::to_string(values[0]) : fmt::format("{}", fmt::join(values, "x"));
}

std::string describe_window(const Window& window) {
  std::string text = fmt::format("{}", fmt::join(window.kernel, "x"));
  if (by_axes(window.strides) != "1") text += " /" + by_axes(window.strides);
  if (by_axes(window.dilations) != "1") text += " dilation " + by_axes(window.dilations);
  switch (window.auto_pad) {
    case AutoPad::kNotSet:
      if (by_axes(window.pads) != "0") text += " pad " + by_axes(window.pads);
      break;
    case AutoPad::kSameUpper:
      text += " same";
      break;
    case AutoPad::kSameLower:
      text += " same, lower";
      break;
    case AutoPad::kValid:
      break;
  }
  return text;
}

}  // namespace

const Operator& operator_of(const Attributes& attributes) { return kOperators[attributes.index()]; }

const Window* window_of(const Node& node) {
  if (const auto* conv = std::get_if<op::Conv>(&node.attributes)) return &conv->window;
  if (const auto* pool = std::get_if<op::MaxPool>(&node.attributes)) return &pool->window;
  return nullptr;
}

std::string describe(const Attributes& attributes) {
  if (const auto* conv = std::get_if<op::Conv>(&attributes)) {
    const std::string window = describe_window(conv->window);
    return conv->group == 1 ? window : fmt::format("{} groups {}", window, conv->group);
  }
  if (const auto* pool = std::get_if<op::MaxPool>(&attributes)) {
    return describe_window(pool->window) + (pool->ceil_mode ? " ceil" : "");
  }
  if (const auto* flatten = std::get_if<op::Flatten>(&attributes)) {
    return flatten->axis == 1 ? "" : fmt::format("axis {}", flatten->axis);
  }
  return "";
}

}  // namespace narrow
