// The variables of a network in training, with their gradients. Internal to this folder.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/aligned_memory.h"
#include "nn/flat_variables.h"
#include "nn/training/training_network.h"

namespace narrow {

class TrainingVariables {
 public:
  // The variables of `initial` have been checked.
  TrainingVariables(const ResnetV1& network, const VariableSource& initial,
                    const TrainingOptions& options);

  [[nodiscard]] const FlatVariables& values() const { return values_; }
  [[nodiscard]] std::span<const TrainedParameter> parameters() const { return parameters_; }
  void write(std::string_view name, std::span<const float> values);

  // Places that do not change: what the passes use for a variable, what they change of a moving
  // statistic, and where its gradient goes, null for a variable that is not trained.
  [[nodiscard]] const float* used(std::string_view name) const;
  [[nodiscard]] float* stored(std::string_view name) { return values_.values(name).data(); }
  [[nodiscard]] float* gradient(std::string_view name) const;
  [[nodiscard]] bool is_trained(std::string_view name) const { return gradient(name) != nullptr; }

  // Asks for the effective values of every trainable variable; to be called before a pass.
  void update_effective_values();
  // The L2 terms of all variables that Slim regularizes. With `add_gradients`, theirs are added to
  // those of the trained variables.
  double regularization(bool add_gradients);

 private:
  void allocate_gradients();
  double half_squares(const ModelVariable& variable, float* gradients);

  std::vector<ModelVariable> variables_;
  double weight_decay_;
  EffectiveValues effective_values_;
  FlatVariables values_;
  std::optional<FlatVariables> effective_;
  AlignedMemory gradient_memory_;
  std::vector<TrainedParameter> parameters_;
  std::map<std::string, float*, std::less<>> gradients_;
  std::vector<double> piece_sums_;
  // The sum of the terms of variables that are not trained, until one of them is written.
  std::optional<double> constant_terms_;
};

}  // namespace narrow
