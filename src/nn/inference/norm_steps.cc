// Softmax and normalizations.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "nn/inference/native_steps.h"

namespace narrow {
namespace {

using dnnl::memory;

std::size_t place_of(std::int64_t axis, std::size_t rank) {
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis);
}

bool add_softmax(ProgramValues& values, const Node& node, const op::Softmax& softmax) {
  const HeldValue x = values.plain(node.inputs[0]);
  if (x.shape.empty()) return false;
  // Other axes together are one before and one after.
  const std::size_t axis = place_of(softmax.axis, x.shape.size());
  memory::dims dims = {1, x.shape[axis], 1};
  for (std::size_t i = 0; i < x.shape.size(); ++i) {
    if (i != axis) dims[i < axis ? 0 : 2] *= x.shape[i];
  }
  const memory::desc desc = plain_desc(dims);
  StepArgument from = values.plain_argument(node.inputs[0], DNNL_ARG_SRC);
  StepArgument to = argument(values.define(node.output()), DNNL_ARG_DST);
  from.desc = desc;
  to.desc = desc;
  const auto kind = dnnl::prop_kind::forward_inference;
  if (softmax.logarithm) {
    const dnnl::logsoftmax_forward::primitive_desc primitive(
        {kind, desc, 1}, shared_primitive_attributes(), values.engine());
    values.builder().add_primitive(dnnl::logsoftmax_forward(primitive), primitive.scratchpad_desc(),
                                   {from, to});
    return true;
  }
  const dnnl::softmax_forward::primitive_desc primitive(
      {kind, desc, 1}, shared_primitive_attributes(), values.engine());
  values.builder().add_primitive(dnnl::softmax_forward(primitive), primitive.scratchpad_desc(),
                                 {from, to});
  return true;
}

// One row: (x - mean) / sqrt(variance + epsilon) * scale + bias.
void normalize_row(const float* x, const float* scale, const float* bias, float* y,
                   std::size_t count, double epsilon) {
  constexpr std::size_t kLanes = 8;
  double sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += x[i + lane];
  }
  for (; i < count; ++i) sums[0] += x[i];
  double mean = 0;
  for (const double sum : sums) mean += sum;
  mean /= static_cast<double>(count);
  double squares[kLanes] = {};
  for (i = 0; i + kLanes <= count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double distance = x[i + lane] - mean;
      squares[lane] += distance * distance;
    }
  }
  for (; i < count; ++i) squares[0] += (x[i] - mean) * (x[i] - mean);
  double variance = 0;
  for (const double square : squares) variance += square;
  variance /= static_cast<double>(count);
  const auto centre = static_cast<float>(mean);
  const auto factor = static_cast<float>(1 / std::sqrt(variance + epsilon));
  for (i = 0; i < count; ++i) {
    const float moved = (x[i] - centre) * factor * scale[i];
    y[i] = bias == nullptr ? moved : moved + bias[i];
  }
}

bool add_layer_norm(ProgramValues& values, const Node& node, const op::LayerNormalization& norm) {
  for (std::size_t i = 1; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != kNoValue) return false;
  }
  const Shape shape = *values.shape_of(node.inputs[0]);
  const std::size_t axis = place_of(norm.axis, shape.size());
  std::uint64_t count = 1;
  for (std::size_t i = axis; i < shape.size(); ++i) count *= static_cast<std::uint64_t>(shape[i]);
  const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  for (std::size_t i = 1; i < (has_bias ? 3u : 2u); ++i) {
    if (!values.is_array(node.inputs[i])) return false;
    if (element_count(*values.shape_of(node.inputs[i])) != count) return false;
  }
  std::vector<StepArgument> arguments = {values.plain_argument(node.inputs[0]),
                                         values.plain_argument(node.inputs[1])};
  if (has_bias) arguments.push_back(values.plain_argument(node.inputs[2]));
  arguments.push_back(argument(values.define(node.output())));
  const std::size_t rows = static_cast<std::size_t>(element_count(shape) / count);
  values.builder().add_function(
      [rows, count, has_bias, epsilon = norm.epsilon](std::span<float* const> places) {
        for (std::size_t row = 0; row < rows; ++row) {
          normalize_row(places[0] + row * count, places[1], has_bias ? places[2] : nullptr,
                        places.back() + row * count, count, epsilon);
        }
      },
      std::move(arguments));
  return true;
}

// x * scale[c] + shift[c], with the statistics of training.
bool add_batch_norm(ProgramValues& values, const Node& node, const op::BatchNormalization& norm) {
  if (norm.training_mode || node.outputs.size() > 1) return false;
  for (std::size_t i = 1; i < node.inputs.size(); ++i) {
    if (!values.is_stored(node.inputs[i])) return false;
  }
  const HeldValue x = values.at(node.inputs[0]);
  if (x.shape.size() < 2 || x.buffer < 0) return false;
  const auto gamma = values.stored(node.inputs[1]);
  const auto beta = values.stored(node.inputs[2]);
  const auto mean = values.stored(node.inputs[3]);
  const auto variance = values.stored(node.inputs[4]);
  const Shape axes = axes_in_memory(x);
  const std::size_t block = x.blocked ? static_cast<std::size_t>(axes.back()) : 1;
  const auto planes = static_cast<std::size_t>(axes[1]);
  // Missing channels of the last block stay zero.
  std::vector<float> scale(planes * block, 0.0F);
  std::vector<float> shift(planes * block, 0.0F);
  for (std::size_t c = 0; c < gamma->values.size(); ++c) {
    const double factor = gamma->values[c] / std::sqrt(variance->values[c] + norm.epsilon);
    scale[c] = static_cast<float>(factor);
    shift[c] = static_cast<float>(beta->values[c] - mean->values[c] * factor);
  }
  const HeldValue y = values.define(node.output(), x.blocked);
  const auto images = static_cast<std::size_t>(axes[0]);
  const std::size_t pixels =
      static_cast<std::size_t>(element_count(axes)) / (images * planes * block);
  values.builder().add_function(
      [=](std::span<float* const> places) {
        for (std::size_t plane = 0; plane < images * planes; ++plane) {
          const float* const a = &scale[plane % planes * block];
          const float* const b = &shift[plane % planes * block];
          const float* const from = places[0] + plane * pixels * block;
          float* const to = places[1] + plane * pixels * block;
          for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
            for (std::size_t i = 0; i < block; ++i) {
              to[pixel * block + i] = from[pixel * block + i] * a[i] + b[i];
            }
          }
        }
      },
      {argument(x), argument(y)});
  return true;
}

}  // namespace

bool add_norm_step(ProgramValues& values, const Node& node) {
  if (!values.is_array(node.inputs[0]) || !values.is_array(node.output())) return false;
  if (const auto* softmax = std::get_if<op::Softmax>(&node.attributes)) {
    return add_softmax(values, node, *softmax);
  }
  if (const auto* norm = std::get_if<op::LayerNormalization>(&node.attributes)) {
    return add_layer_norm(values, node, *norm);
  }
  if (const auto* norm = std::get_if<op::BatchNormalization>(&node.attributes)) {
    return add_batch_norm(values, node, *norm);
  }
  return false;
}

}  // namespace narrow
