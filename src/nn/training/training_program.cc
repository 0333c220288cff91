#include "nn/training/training_program.h"

#include <algorithm>

namespace narrow {
namespace {

constexpr int kImageDepth = 3;

BatchNormVariables norm_variables(const ConvLayer& layer, TrainingVariables& variables) {
  BatchNormVariables found;
  found.gamma = variables.used(layer.gamma_name());
  found.beta = variables.used(layer.beta_name());
  found.moving_mean = variables.stored(layer.moving_mean_name());
  found.moving_variance = variables.stored(layer.moving_variance_name());
  found.gamma_gradient = variables.gradient(layer.gamma_name());
  found.beta_gradient = variables.gradient(layer.beta_name());
  return found;
}

}  // namespace

TrainingLayer::TrainingLayer(const ConvLayer& layer, const ConvGeometry& place, BatchNormMode mode,
                             TrainingVariables& variables, RowSums& sums)
    : geometry(place),
      weights(variables.used(layer.weights_name())),
      weight_gradients(variables.gradient(layer.weights_name())),
      is_trained(weight_gradients != nullptr || variables.is_trained(layer.gamma_name()) ||
                 variables.is_trained(layer.beta_name())),
      conv(make_training_conv(layer, place)),
      norm(layer, static_cast<std::int64_t>(place.images) * place.out_height * place.out_width,
           mode, norm_variables(layer, variables), sums) {}

TrainingProgram::TrainingProgram(const ResnetV1& network, const TrainingOptions& options,
                                 TrainingVariables& variables)
    : options_(options), variables_(variables) {
  add_forward(network);
  forward_steps_ = steps_.size();
  // The logits are outside of the program; the features are needed until their gradients are made.
  if (units_.back().is_active()) {
    feature_gradients_ = steps_.new_buffer(static_cast<std::size_t>(options.batch_size) *
                                           network.feature_depth * sizeof(float));
  }
  steps_.add({features_, feature_gradients_}, [] {});
  if (feature_gradients_ != StepList::kNone) add_backward();
  steps_.allocate();
}

const float* TrainingProgram::forward(const float* images) {
  images_ = images;
  steps_.run(0, forward_steps_);
  return steps_.floats(features_);
}

void TrainingProgram::backward() { steps_.run(forward_steps_, steps_.size()); }

int TrainingProgram::new_buffer(const Activation& like) {
  return steps_.new_buffer(static_cast<std::size_t>(options_.batch_size) * like.height *
                           like.width * like.depth * sizeof(float));
}

void TrainingProgram::add_forward(const ResnetV1& network) {
  Activation x = add_root(network.conv1);
  for (const BottleneckUnit& unit : network.units) x = add_unit(unit, x);
  last_ = x;
  features_ = new_buffer({StepList::kNone, 1, 1, x.depth});
  steps_.add({x.buffer, features_}, [this] {
    mean_of_pixels(values(last_), options_.batch_size,
                   static_cast<std::int64_t>(last_.height) * last_.width, last_.depth,
                   steps_.floats(features_));
  });
}

TrainingProgram::Activation TrainingProgram::add_root(const ConvLayer& layer) {
  root_ = add_conv(layer, {StepList::kNone, options_.height, options_.width, kImageDepth}, false);
  const Activation x = add_norm(root_);
  pool_.emplace(options_.batch_size, x.height, x.width, x.depth, root_.is_active());
  Activation y = {StepList::kNone, strided_size(x.height, 2), strided_size(x.width, 2), x.depth};
  y.buffer = new_buffer(y);
  pool_workspace_ = steps_.new_buffer(pool_->workspace_bytes());
  const int scratch = steps_.new_buffer(pool_->scratch_bytes());
  steps_.add({x.buffer, y.buffer, pool_workspace_, scratch}, [=, this] {
    pool_->forward(values(x), steps_.floats(y.buffer), steps_.bytes(pool_workspace_),
                   steps_.bytes(scratch));
  });
  return y;
}

TrainingProgram::PlacedLayer TrainingProgram::add_conv(const ConvLayer& layer, const Activation& x,
                                                       bool passes_gradient_on) {
  const ConvGeometry geometry = conv_geometry(layer, options_.batch_size, x.height, x.width);
  layers_.push_back(
      std::make_unique<TrainingLayer>(layer, geometry, options_.batch_norm, variables_, sums_));
  PlacedLayer placed{layers_.back().get(), x, {}, passes_gradient_on};
  placed.conv_output = {StepList::kNone, geometry.out_height, geometry.out_width, layer.out_depth};
  const int y = placed.conv_output.buffer = new_buffer(placed.conv_output);
  const int scratch = steps_.new_buffer(placed.layer->conv->scratch_bytes());
  steps_.add({x.buffer, y, scratch}, [=, this] {
    placed.layer->conv->forward(values(x), placed.layer->weights, steps_.floats(y),
                                steps_.bytes(scratch));
    placed.layer->norm.prepare(steps_.floats(y));
  });
  return placed;
}

TrainingProgram::Activation TrainingProgram::add_norm(const PlacedLayer& placed) {
  Activation y = placed.conv_output;
  y.buffer = new_buffer(y);
  steps_.add({placed.conv_output.buffer, y.buffer}, [=, this] {
    placed.layer->norm.forward(values(placed.conv_output), steps_.floats(y.buffer));
  });
  return y;
}

TrainingProgram::Activation TrainingProgram::add_unit(const BottleneckUnit& description,
                                                      const Activation& x) {
  const bool below = units_.empty() ? root_.is_active() : units_.back().is_active();
  PlacedUnit unit;
  unit.x = x;
  unit.stride = description.stride;
  if (description.shortcut) unit.shortcut = add_conv(*description.shortcut, x, below);
  unit.conv1 = add_conv(description.conv1, x, below);
  unit.conv2 = add_conv(description.conv2, add_norm(unit.conv1), unit.conv1.is_active());
  unit.conv3 = add_conv(description.conv3, add_norm(unit.conv2), unit.conv2.is_active());

  unit.y = unit.conv3.conv_output;
  unit.y.buffer = new_buffer(unit.y);
  const Activation added = unit.shortcut ? unit.shortcut->conv_output : x;
  steps_.add({unit.conv3.conv_output.buffer, added.buffer, unit.y.buffer}, [=, this] {
    const Shortcut shortcut{values(added), unit.shortcut ? &unit.shortcut->layer->norm : nullptr,
                            unit.shortcut ? 1 : unit.stride, added.height, added.width};
    unit.conv3.layer->norm.forward_sum(values(unit.conv3.conv_output), shortcut, unit.y.height,
                                       unit.y.width, steps_.floats(unit.y.buffer));
  });
  units_.push_back(unit);
  return unit.y;
}

void TrainingProgram::add_backward() {
  int gradient = new_buffer(last_);
  steps_.add({feature_gradients_, gradient}, [=, this] {
    mean_of_pixels_backward(steps_.floats(feature_gradients_), options_.batch_size,
                            static_cast<std::int64_t>(last_.height) * last_.width, last_.depth,
                            steps_.floats(gradient));
  });
  for (auto unit = units_.rbegin(); unit != units_.rend() && unit->is_active(); ++unit) {
    gradient = add_unit_backward(*unit, gradient);
  }
  if (root_.is_active()) add_root_backward(gradient);
}

int TrainingProgram::add_unit_backward(const PlacedUnit& unit, int gradient) {
  const PlacedLayer& last = unit.conv3;
  const int conv_output = last.conv_output.buffer;
  // The gradient of the convolution's output takes the place of the output.
  steps_.add({conv_output, unit.y.buffer, gradient}, [=, this] {
    last.layer->norm.backward_sum(
        values(last.conv_output), values(unit.y), steps_.floats(gradient),
        last.needs_conv_gradient() ? steps_.floats(conv_output) : nullptr);
  });
  const int input_gradient = add_shortcut_backward(unit, gradient);
  int inner = add_conv_backward(last, conv_output, StepList::kNone);
  if (unit.conv2.is_active()) inner = add_layer_backward(unit.conv2, inner);
  if (!unit.conv1.is_active()) return StepList::kNone;
  const PlacedLayer& first = unit.conv1;
  steps_.add({first.conv_output.buffer, inner}, [=, this] {
    first.layer->norm.backward(values(first.conv_output), steps_.floats(inner),
                               first.needs_conv_gradient() ? steps_.floats(inner) : nullptr);
  });
  return add_conv_backward(first, inner, input_gradient);
}

int TrainingProgram::add_shortcut_backward(const PlacedUnit& unit, int gradient) {
  if (unit.shortcut) {
    return unit.shortcut->is_active() ? add_layer_backward(*unit.shortcut, gradient)
                                      : StepList::kNone;
  }
  if (!unit.conv1.passes_gradient_on || unit.stride == 1) return gradient;
  const int input_gradient = new_buffer(unit.x);
  const Subsampling sampling{options_.batch_size, unit.x.height, unit.x.width, unit.y.height,
                             unit.y.width,        unit.stride,   unit.x.depth};
  steps_.add({gradient, input_gradient}, [=, this] {
    subsample_backward(sampling, steps_.floats(gradient), steps_.floats(input_gradient));
  });
  return input_gradient;
}

int TrainingProgram::add_layer_backward(const PlacedLayer& placed, int gradient) {
  steps_.add({placed.conv_output.buffer, gradient}, [=, this] {
    placed.layer->norm.backward(values(placed.conv_output), steps_.floats(gradient),
                                placed.needs_conv_gradient() ? steps_.floats(gradient) : nullptr);
  });
  return add_conv_backward(placed, gradient, StepList::kNone);
}

int TrainingProgram::add_conv_backward(const PlacedLayer& placed, int gradient,
                                       int input_gradient) {
  const TrainingLayer* layer = placed.layer;
  if (layer->weight_gradients != nullptr) {
    const int scratch = steps_.new_buffer(layer->conv->scratch_bytes());
    steps_.add({placed.x.buffer, gradient, scratch}, [=, this] {
      layer->conv->backward_weights(values(placed.x), steps_.floats(gradient),
                                    layer->weight_gradients, steps_.bytes(scratch));
    });
  }
  int result = StepList::kNone;
  if (placed.passes_gradient_on) {
    const bool add = input_gradient != StepList::kNone;
    result = add ? input_gradient : new_buffer(placed.x);
    const int scratch = steps_.new_buffer(layer->conv->scratch_bytes());
    steps_.add({gradient, result, scratch}, [=, this] {
      layer->conv->backward_data(steps_.floats(gradient), layer->weights, steps_.floats(result),
                                 add, steps_.bytes(scratch));
    });
  }
  steps_.add({}, [layer, this] { finish_variables(*layer); });
  return result;
}

void TrainingProgram::finish_variables(const TrainingLayer& layer) {
  const ConvLayer& names = layer.norm.layer();
  variables_.finish(names.weights_name());
  variables_.finish(names.gamma_name());
  variables_.finish(names.beta_name());
}

void TrainingProgram::add_root_backward(int gradient) {
  Activation pooled = root_.conv_output;  // of the same shape
  pooled.buffer = new_buffer(pooled);
  const int scratch = steps_.new_buffer(pool_->scratch_bytes());
  steps_.add({gradient, pooled.buffer, pool_workspace_, scratch}, [=, this] {
    pool_->backward(steps_.floats(gradient), steps_.floats(pooled.buffer),
                    steps_.bytes(pool_workspace_), steps_.bytes(scratch));
  });
  add_layer_backward(root_, pooled.buffer);
}

}  // namespace narrow
