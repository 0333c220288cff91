#include "nn/training/training_variables.h"

#include <algorithm>
#include <utility>

#include "nn/onednn_pieces.h"
#include "nn/training/kernels/row_kernels.h"

namespace narrow {
namespace {

// Gradients begin at multiples of so many values.
constexpr std::size_t kAlignedFloats = 16;

std::size_t round_up(std::size_t count) {
  return (count + kAlignedFloats - 1) / kAlignedFloats * kAlignedFloats;
}

}  // namespace

TrainingVariables::TrainingVariables(const Graph& graph, const WeightSource& initial,
                                     const TrainingOptions& options)
    : weights_(graph.weights),
      weight_decay_(options.weight_decay),
      effective_values_(options.effective_values),
      is_regularized_(options.is_regularized),
      values_(graph) {
  for (const Weight& weight : weights_) {
    initial.read(weight.name, values_.values(weight.name));
    if (is_trainable(weight.role) && (!options.is_trained || options.is_trained(weight))) {
      parameters_.push_back({weight, values_.values(weight.name), {}});
    }
  }
  half_squares_of_pass_.resize(parameters_.size());
  if (effective_values_) effective_.emplace(graph);
  allocate_gradients();
}

void TrainingVariables::allocate_gradients() {
  std::size_t total = 0;
  for (const TrainedParameter& parameter : parameters_) total += round_up(parameter.values.size());
  gradient_memory_ = AlignedMemory(std::max<std::size_t>(total, 1) * sizeof(float));
  auto* place = reinterpret_cast<float*>(gradient_memory_.data());
  std::fill_n(place, total, 0.0F);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    TrainedParameter& parameter = parameters_[i];
    parameter.gradients = {place, parameter.values.size()};
    parameter_indices_[parameter.weight.name] = i;
    place += round_up(parameter.values.size());
  }
}

const float* TrainingVariables::used(std::string_view name) const {
  return (effective_ ? *effective_ : values_).values(name).data();
}

float* TrainingVariables::gradient(std::string_view name) const {
  const auto found = parameter_indices_.find(name);
  return found == parameter_indices_.end() ? nullptr : parameters_[found->second].gradients.data();
}

void TrainingVariables::write(std::string_view name, std::span<const float> values) {
  const std::span<float> to = values_.values(name);
  std::copy(values.begin(), values.end(), to.begin());
  constant_half_squares_.reset();
}

void TrainingVariables::update_effective_values() {
  if (!effective_) return;
  for (const bool are_kernels : {true, false}) {
    for (const Weight& weight : weights_) {
      const bool is_kernel = weight.role == WeightRole::kKernel;
      if (!is_trainable(weight.role) || is_kernel != are_kernels) continue;
      const std::span<const float> values = std::as_const(values_).values(weight.name);
      const std::span<float> effective = effective_->values(weight.name);
      if (!effective_values_(weight, values_, values, effective)) {
        std::copy(values.begin(), values.end(), effective.begin());
      }
    }
  }
}

double TrainingVariables::regularization() {
  double trained = 0;
  for (const TrainedParameter& parameter : parameters_) {
    if (has_l2_term(parameter.weight)) trained += half_squares_of(parameter.weight);
  }
  return weight_decay_ * (trained + constant_half_squares());
}

void TrainingVariables::finish(std::string_view name) {
  const auto found = parameter_indices_.find(name);
  if (found == parameter_indices_.end()) return;
  const TrainedParameter& parameter = parameters_[found->second];
  const bool decays = has_l2_term(parameter.weight);
  if (!decays && !sink_) return;
  const auto decay = static_cast<float>(weight_decay_);
  half_squares_of_pass_[found->second] =
      half_squares(parameter.values.size(), [&](std::size_t first, std::size_t count) {
        double squares = 0;
        if (decays) {
          squares = training_kernels::row_kernels().add_weight_decay(
              parameter.values.data() + first, count, decay, parameter.gradients.data() + first);
        }
        if (sink_) sink_({found->second, first, count});
        return squares;
      });
}

double TrainingVariables::end_backward() {
  sink_ = {};
  double trained = 0;
  for (const double half_squares : half_squares_of_pass_) trained += half_squares;
  return weight_decay_ * (trained + constant_half_squares());
}

double TrainingVariables::constant_half_squares() {
  if (constant_half_squares_) return *constant_half_squares_;
  double sum = 0;
  for (const Weight& weight : weights_) {
    if (has_l2_term(weight) && !is_trained(weight.name)) sum += half_squares_of(weight);
  }
  constant_half_squares_ = sum;
  return sum;
}

double TrainingVariables::half_squares_of(const Weight& weight) {
  const std::span<const float> values = std::as_const(values_).values(weight.name);
  return half_squares(values.size(), [&](std::size_t first, std::size_t count) {
    return training_kernels::row_kernels().add_weight_decay(values.data() + first, count, 0,
                                                            nullptr);
  });
}

double TrainingVariables::half_squares(
    std::size_t count, const std::function<double(std::size_t, std::size_t)>& take_piece) {
  piece_sums_.resize(value_pieces(count));
  for_each_value_piece(count, [&](std::size_t piece, std::size_t first, std::size_t last) {
    piece_sums_[piece] = take_piece(first, last - first);
  });
  double sum = 0;
  for (const double piece : piece_sums_) sum += piece;
  return sum / 2;
}

}  // namespace narrow
