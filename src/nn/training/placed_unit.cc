#include "nn/training/placed_unit.h"

#include <cstdint>

namespace narrow {
namespace {

using training_kernels::Activation;

BatchNormVariables norm_variables(const UnitNorm& norm, TrainingVariables& variables) {
  BatchNormVariables found;
  if (norm.gamma) {
    found.gamma = variables.used(*norm.gamma);
    found.gamma_gradient = variables.gradient(*norm.gamma);
  }
  found.beta = variables.used(norm.beta);
  found.moving_mean = variables.stored(norm.moving_mean);
  found.moving_variance = variables.stored(norm.moving_variance);
  found.beta_gradient = variables.gradient(norm.beta);
  return found;
}

WindowConv geometry_of(const UnitLinear& linear, int images, const ValueSize& in) {
  WindowConv conv;
  conv.images = images;
  if (!linear.is_fully_connected) {
    conv = window_conv(linear.window, images, {in.height, in.width});
  }
  conv.groups = static_cast<int>(linear.groups);
  conv.in_channels = linear.in_channels;
  conv.out_channels = linear.out_channels;
  return conv;
}

}  // namespace

PlacedUnit::PlacedUnit(const TrainingUnit& unit, const TrainableGraph& graph,
                       const TrainingOptions& options, TrainingVariables& variables, RowSums& sums)
    : view(unit) {
  const ValueSize out = graph.size(unit.output);
  const auto rows = static_cast<std::size_t>(options.batch_size) * out.pixels();
  if (unit.linear) {
    weights = variables.used(unit.linear->weights);
    weight_gradients = variables.gradient(unit.linear->weights);
    is_trained = weight_gradients != nullptr;
    conv =
        make_training_conv(geometry_of(*unit.linear, options.batch_size, graph.size(unit.input)));
  }
  if (unit.norm) {
    const BatchNormVariables found = norm_variables(*unit.norm, variables);
    is_trained = is_trained || found.gamma_gradient != nullptr || found.beta_gradient != nullptr;
    norm.emplace(BatchNormForm{unit.norm->epsilon, unit.activation, unit.norm->moving_variance},
                 static_cast<std::int64_t>(rows), out.channels, options.batch_norm, found, sums);
  } else if (unit.bias || unit.addend != kNoValue || unit.activation != Activation::kNone) {
    float* const bias_gradients = unit.bias ? variables.gradient(*unit.bias) : nullptr;
    is_trained = is_trained || bias_gradients != nullptr;
    plain.emplace(rows, static_cast<std::size_t>(out.channels), unit.activation,
                  unit.bias ? variables.used(*unit.bias) : nullptr, bias_gradients, sums);
  }
}

}  // namespace narrow
