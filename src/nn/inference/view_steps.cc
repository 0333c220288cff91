// What changes nothing but the shape, and pools.
#include <algorithm>
#include <array>

#include "graph/matchers.h"
#include "nn/inference/native_steps.h"

namespace narrow {
namespace {

using dnnl::algorithm;
using dnnl::memory;

bool keeps_elements(const Node& node) {
  return std::holds_alternative<op::Identity>(node.attributes) ||
         std::holds_alternative<op::Flatten>(node.attributes) ||
         std::holds_alternative<op::Reshape>(node.attributes) ||
         std::holds_alternative<op::Squeeze>(node.attributes) ||
         std::holds_alternative<op::Unsqueeze>(node.attributes) ||
         std::holds_alternative<op::Dropout>(node.attributes);
}

struct PoolSizes {
  memory::dims kernel;
  memory::dims strides;
  memory::dims before;
  memory::dims after;
};

void add_pool(ProgramValues& values, const Node& node, algorithm how, const PoolSizes& sizes) {
  const HeldValue x = values.blocked(node.inputs[0]);
  const memory::desc to = blocked_desc(*values.shape_of(node.output()));
  const dnnl::pooling_forward::primitive_desc primitive(
      {dnnl::prop_kind::forward_inference, how, desc_of(x), to, sizes.strides, sizes.kernel,
       sizes.before, sizes.after},
      shared_primitive_attributes(), values.engine());
  const HeldValue y = values.define(node.output(), true);
  values.builder().add_primitive(dnnl::pooling_forward(primitive), primitive.scratchpad_desc(),
                                 {argument(x, DNNL_ARG_SRC), argument(y, DNNL_ARG_DST)});
}

// False when oneDNN's windows mean something else.
bool add_window_pool(ProgramValues& values, const Node& node, algorithm how, const Window& window,
                     bool ceil_mode) {
  const Shape x = *values.shape_of(node.inputs[0]);
  PoolSizes sizes;
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    const WindowPlaces places = window_places(window, axis, x[axis + 2], ceil_mode);
    if (window.dilations[axis] != 1 ||
        std::max(places.before, places.after) >= window.kernel[axis]) {
      return false;
    }
    const bool is_same =
        window.auto_pad == AutoPad::kSameUpper || window.auto_pad == AutoPad::kSameLower;
    const std::int64_t declared =
        window.auto_pad == AutoPad::kNotSet ? window.pads[axis + window.rank()] : std::int64_t{0};
    // Elements beyond the padding are not counted, which oneDNN cannot tell from padding.
    if (how == algorithm::pooling_avg_include_padding && !is_same && places.after > declared) {
      return false;
    }
    sizes.kernel.push_back(window.kernel[axis]);
    sizes.strides.push_back(window.strides[axis]);
    sizes.before.push_back(places.before);
    sizes.after.push_back(std::max<std::int64_t>(places.after, 0));
  }
  add_pool(values, node, how, sizes);
  return true;
}

void add_global_pool(ProgramValues& values, const Node& node, algorithm how) {
  const Shape x = *values.shape_of(node.inputs[0]);
  const memory::dims kernel(x.begin() + 2, x.end());
  const memory::dims ones(kernel.size(), 1);
  const memory::dims zeros(kernel.size(), 0);
  add_pool(values, node, how, {kernel, ones, zeros, zeros});
}

}  // namespace

bool add_view_step(ProgramValues& values, const Node& node) {
  if (!keeps_elements(node) || values.is_stored(node.inputs[0])) return false;
  if (node.outputs.size() > 1 && node.outputs[1] != kNoValue) return false;
  if (is_any<op::Dropout>(node) && node.inputs.size() > 2 && node.inputs[2] != kNoValue) {
    // The reference refuses to drop anything.
    if (!values.is_stored(node.inputs[2])) return false;
    if (std::ranges::count(values.stored(node.inputs[2])->integers, 0) == 0) return false;
  }
  // A result without axes has a known shape; whether the axes given say so, only their values tell.
  const bool has_axes = is_any<op::Reshape, op::Squeeze, op::Unsqueeze>(node);
  if (has_axes && node.inputs.size() > 1 && !values.fact(node.inputs[1]).integers) return false;
  const bool keeps_shape = std::holds_alternative<op::Identity>(node.attributes) ||
                           std::holds_alternative<op::Dropout>(node.attributes);
  values.define_view(node.output(),
                     keeps_shape ? values.at(node.inputs[0]) : values.plain(node.inputs[0]));
  return true;
}

bool add_pool_step(ProgramValues& values, const Node& node) {
  const ValueId x = node.inputs[0];
  if (!values.is_array(x) || !can_be_blocked(*values.shape_of(x)) || node.outputs.size() > 1) {
    return false;
  }
  if (const auto* pool = std::get_if<op::MaxPool>(&node.attributes)) {
    return add_window_pool(values, node, algorithm::pooling_max, pool->window, pool->ceil_mode);
  }
  if (const auto* pool = std::get_if<op::AveragePool>(&node.attributes)) {
    return add_window_pool(values, node,
                           pool->count_include_pad ? algorithm::pooling_avg_include_padding
                                                   : algorithm::pooling_avg_exclude_padding,
                           pool->window, pool->ceil_mode);
  }
  if (std::holds_alternative<op::GlobalAveragePool>(node.attributes)) {
    add_global_pool(values, node, algorithm::pooling_avg_exclude_padding);
    return true;
  }
  if (std::holds_alternative<op::GlobalMaxPool>(node.attributes)) {
    add_global_pool(values, node, algorithm::pooling_max);
    return true;
  }
  return false;
}

}  // namespace narrow
