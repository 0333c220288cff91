#include "nn/training/training_layer.h"

#include <cstdint>

namespace narrow {
namespace {

BatchNormVariables norm_variables(const LayerNorm& norm, TrainingVariables& variables) {
  BatchNormVariables found;
  found.gamma = variables.used(norm.gamma);
  found.beta = variables.used(norm.beta);
  found.moving_mean = variables.stored(norm.moving_mean);
  found.moving_variance = variables.stored(norm.moving_variance);
  found.gamma_gradient = variables.gradient(norm.gamma);
  found.beta_gradient = variables.gradient(norm.beta);
  return found;
}

}  // namespace

TrainingLayer::TrainingLayer(const Layer& layer, const ConvGeometry& geometry, BatchNormMode mode,
                             TrainingVariables& variables, RowSums& sums)
    : view(layer),
      weights(variables.used(layer.weights)),
      weight_gradients(variables.gradient(layer.weights)),
      is_trained(weight_gradients != nullptr || variables.is_trained(layer.norm->gamma) ||
                 variables.is_trained(layer.norm->beta)),
      conv(make_training_conv(geometry)),
      norm(layer,
           static_cast<std::int64_t>(geometry.images) * geometry.out_height * geometry.out_width,
           mode, norm_variables(*layer.norm, variables), sums) {}

}  // namespace narrow
