// Convolutions and pools.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "graph/rules/fact_rules.h"

namespace narrow {
namespace {

// So that what is computed from one and a window fits into 64 bits.
constexpr std::int64_t kMostTaps = std::int64_t{1} << 24;

// Replaces the axes after batch and channels by the numbers of windows.
void place_windows(const Window& window, bool ceil_mode, Dimensions& x) {
  if (x.size() != window.rank() + 2) {
    refuse_inputs(
        fmt::format("its input is {}, its window has {} axes", to_string(x), window.rank()));
  }
  const Dimensions kernel(window.kernel.begin(), window.kernel.end());
  if (product(kernel).size > kMostTaps) {
    refuse_inputs(fmt::format("its kernel {} has more than {} elements", window.kernel, kMostTaps));
  }
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    Dimension& dimension = x[axis + 2];
    const bool stays = window.extent(axis) == 1 && window.strides[axis] == 1 &&
                       window.pads[axis] == 0 && window.pads[window.rank() + axis] == 0;
    if (!dimension.is_free() && dimension.size > kMostOfAxis) {
      refuse_inputs(fmt::format("its input {} has an axis of more than {} elements", to_string(x),
                                kMostOfAxis));
    }
    if (dimension.is_free()) {
      if (!stays) dimension.symbol.clear();
      continue;
    }
    dimension = window_places(window, axis, dimension.size, ceil_mode).count;
  }
}

void require_kernel(const Window& window, const Dimensions& weights) {
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    if (weights.size() == window.rank() + 2 &&
        may_be_equal(weights[axis + 2], window.kernel[axis])) {
      continue;
    }
    refuse_inputs(
        fmt::format("its weights {} are not of its kernel {}", to_string(weights), window.kernel));
  }
}

void require_biases(const Fact* biases, const Dimension& channels) {
  if (biases == nullptr) return;
  if (biases->dimensions.size() == 1 && may_be_equal(biases->dimensions[0], channels)) return;
  refuse_inputs(fmt::format("its biases are {}, expected [{}]", to_string(biases->dimensions),
                            channels.size));
}

void require_groups(const Dimensions& x, const Dimensions& weights, std::int64_t group) {
  if (weights.size() == x.size() && group >= 1 && !weights[0].is_free() && !weights[1].is_free() &&
      weights[0].size % group == 0) {
    return;
  }
  refuse_inputs(fmt::format("weights {} in {} groups do not fit its input {}", to_string(weights),
                            group, to_string(x)));
}

void require_channels(const Dimensions& x, const Dimensions& weights, const Dimension& taken) {
  if (may_be_equal(x[1], taken)) return;
  refuse_inputs(fmt::format("its input {} has {} channels, its weights {} take {}", to_string(x),
                            x[1].size, to_string(weights), taken.size));
}

Facts pool_facts(const Window& window, bool ceil_mode, const Fact& x) {
  Dimensions dimensions = x.dimensions;
  place_windows(window, ceil_mode, dimensions);
  return one_fact(x.type, std::move(dimensions));
}

Facts global_pool_facts(const Fact& x) {
  require_real(x);
  require_rank(x, 3);
  Dimensions dimensions = x.dimensions;
  std::fill(dimensions.begin() + 2, dimensions.end(), Dimension(1));
  return one_fact(x.type, std::move(dimensions));
}

// (size - 1) * stride + extent - pads + output padding
Dimension transposed_size(const op::ConvTranspose& conv, std::size_t axis, const Dimension& size) {
  const Window& window = conv.window;
  if (!conv.output_shape.empty()) return as_dimension({conv.output_shape.at(axis)});
  if (size.is_free()) return {};
  const bool is_same =
      window.auto_pad == AutoPad::kSameUpper || window.auto_pad == AutoPad::kSameLower;
  const Dimension strided = product(size, window.strides[axis]);
  if (is_same) return strided;
  const bool padded = window.auto_pad == AutoPad::kNotSet;
  const std::int64_t pads = padded ? window.pads[axis] + window.pads[window.rank() + axis] : 0;
  const std::int64_t more = conv.output_padding.empty() ? 0 : conv.output_padding.at(axis);
  const std::int64_t result =
      sum(strided, window.extent(axis) + more).size - window.strides[axis] - pads;
  if (size.size < 1 || result < 1) {
    refuse_inputs(fmt::format("its window leaves no element of {}", size.size));
  }
  return result;
}

}  // namespace

Facts infer(const op::Conv& conv, FactInputs inputs) {
  require_same_type(inputs);
  require_real(*inputs[0]);
  Dimensions x = inputs[0]->dimensions;
  const Dimensions& weights = inputs[1]->dimensions;
  require_rank(*inputs[0], 3);
  require_groups(x, weights, conv.group);
  require_channels(x, weights, product(weights[1], conv.group));
  require_kernel(conv.window, weights);
  require_biases(input_at(inputs, 2), weights[0]);
  place_windows(conv.window, false, x);
  x[1] = weights[0];
  return one_fact(inputs[0]->type, std::move(x));
}

Facts infer(const op::ConvTranspose& conv, FactInputs inputs) {
  require_same_type(inputs);
  require_real(*inputs[0]);
  Dimensions x = inputs[0]->dimensions;
  const Dimensions& weights = inputs[1]->dimensions;
  require_rank(*inputs[0], 3);
  require_groups(x, weights, conv.group);
  require_channels(x, weights, weights[0]);
  require_kernel(conv.window, weights);
  const std::size_t rank = conv.window.rank();
  if (x.size() != rank + 2 ||
      (!conv.output_padding.empty() && conv.output_padding.size() != rank) ||
      (!conv.output_shape.empty() && conv.output_shape.size() != rank)) {
    refuse_inputs(fmt::format("its input is {}, its window has {} axes", to_string(x), rank));
  }
  x[1] = product(weights[1], conv.group);
  require_biases(input_at(inputs, 2), x[1]);
  for (std::size_t axis = 0; axis < rank; ++axis) {
    x[axis + 2] = transposed_size(conv, axis, x[axis + 2]);
  }
  return one_fact(inputs[0]->type, std::move(x));
}

Facts infer(const op::MaxPool& pool, FactInputs inputs) {
  Facts facts = pool_facts(pool.window, pool.ceil_mode, *inputs[0]);
  facts.push_back({DType::kInt64, facts[0].dimensions});
  return facts;
}

Facts infer(const op::AveragePool& pool, FactInputs inputs) {
  require_real(*inputs[0]);
  return pool_facts(pool.window, pool.ceil_mode, *inputs[0]);
}

Facts infer(const op::LpPool& pool, FactInputs inputs) {
  require_real(*inputs[0]);
  return pool_facts(pool.window, pool.ceil_mode, *inputs[0]);
}

Facts infer(const op::GlobalAveragePool& /*pool*/, FactInputs inputs) {
  return global_pool_facts(*inputs[0]);
}

Facts infer(const op::GlobalMaxPool& /*pool*/, FactInputs inputs) {
  return global_pool_facts(*inputs[0]);
}

Facts infer(const op::LocalResponseNormalization& /*norm*/, FactInputs inputs) {
  require_real(*inputs[0]);
  require_rank(*inputs[0], 2);
  return one_fact(inputs[0]->type, inputs[0]->dimensions);
}

}  // namespace narrow
