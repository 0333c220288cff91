#include "nn/training/training_variables.h"

#include <algorithm>
#include <utility>

#include "nn/onednn_support.h"
#include "nn/training/kernels/row_kernels.h"

namespace narrow {
namespace {

// Gradients begin at multiples of so many values.
constexpr std::size_t kAlignedFloats = 16;
// Values of which the squares are added up at once; the result does not depend on the threads.
constexpr std::size_t kPieceElements = 65536;

std::size_t round_up(std::size_t count) {
  return (count + kAlignedFloats - 1) / kAlignedFloats * kAlignedFloats;
}

}  // namespace

TrainingVariables::TrainingVariables(const ResnetV1& network, const VariableSource& initial,
                                     const TrainingOptions& options)
    : variables_(network.variables()),
      weight_decay_(options.weight_decay),
      effective_values_(options.effective_values),
      values_(network) {
  for (const ModelVariable& variable : variables_) {
    initial.read(variable.name, values_.values(variable.name));
    if (is_trainable(variable.kind) && (!options.is_trained || options.is_trained(variable))) {
      parameters_.push_back({variable, values_.values(variable.name), {}});
    }
  }
  if (effective_values_) effective_.emplace(network);
  allocate_gradients();
}

void TrainingVariables::allocate_gradients() {
  std::size_t total = 0;
  for (const TrainedParameter& parameter : parameters_) total += round_up(parameter.values.size());
  gradient_memory_ = AlignedMemory(std::max<std::size_t>(total, 1) * sizeof(float));
  auto* place = reinterpret_cast<float*>(gradient_memory_.data());
  std::fill_n(place, total, 0.0F);
  for (TrainedParameter& parameter : parameters_) {
    parameter.gradients = {place, parameter.values.size()};
    gradients_[parameter.variable.name] = place;
    place += round_up(parameter.values.size());
  }
}

const float* TrainingVariables::used(std::string_view name) const {
  return (effective_ ? *effective_ : values_).values(name).data();
}

float* TrainingVariables::gradient(std::string_view name) const {
  const auto found = gradients_.find(name);
  return found == gradients_.end() ? nullptr : found->second;
}

void TrainingVariables::write(std::string_view name, std::span<const float> values) {
  const std::span<float> to = values_.values(name);
  std::copy(values.begin(), values.end(), to.begin());
  constant_terms_.reset();
}

void TrainingVariables::update_effective_values() {
  if (!effective_) return;
  for (const ModelVariable& variable : variables_) {
    if (!is_trainable(variable.kind)) continue;
    const std::span<const float> values = std::as_const(values_).values(variable.name);
    const std::span<float> effective = effective_->values(variable.name);
    if (!effective_values_(variable, values, effective)) {
      std::copy(values.begin(), values.end(), effective.begin());
    }
  }
}

double TrainingVariables::regularization(bool add_gradients) {
  if (weight_decay_ == 0) return 0;
  double trained = 0;
  double constant = 0;
  for (const ModelVariable& variable : variables_) {
    if (!is_regularized(variable.kind)) continue;
    if (float* gradients = gradient(variable.name)) {
      trained += half_squares(variable, add_gradients ? gradients : nullptr);
    } else if (!constant_terms_) {
      constant += half_squares(variable, nullptr);
    }
  }
  if (!constant_terms_) constant_terms_ = constant;
  return weight_decay_ * (trained + *constant_terms_);
}

double TrainingVariables::half_squares(const ModelVariable& variable, float* gradients) {
  const std::span<const float> values = std::as_const(values_).values(variable.name);
  piece_sums_.resize((values.size() + kPieceElements - 1) / kPieceElements);
  onednn_parallel_for(static_cast<int>(piece_sums_.size()), [&](int piece) {
    const std::size_t first = static_cast<std::size_t>(piece) * kPieceElements;
    piece_sums_[static_cast<std::size_t>(piece)] = training_kernels::row_kernels().add_weight_decay(
        values.data() + first, std::min(kPieceElements, values.size() - first),
        static_cast<float>(weight_decay_), gradients == nullptr ? nullptr : gradients + first);
  });
  double sum = 0;
  for (const double piece : piece_sums_) sum += piece;
  return sum / 2;
}

}  // namespace narrow
