// The weights of a network in training, with their gradients. Internal to this folder.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/weights.h"
#include "nn/aligned_memory.h"
#include "nn/training/training_network.h"

namespace narrow {

class TrainingVariables {
 public:
  // The weights of `initial` have been checked.
  TrainingVariables(const Graph& graph, const WeightSource& initial,
                    const TrainingOptions& options);

  [[nodiscard]] const Weights& values() const { return values_; }
  [[nodiscard]] std::span<const TrainedParameter> parameters() const { return parameters_; }
  void write(std::string_view name, std::span<const float> values);

  // Places that do not change: what the passes use for a weight, what they change of a moving
  // statistic, and where its gradient goes, null for a weight that is not trained.
  [[nodiscard]] const float* used(std::string_view name) const;
  [[nodiscard]] float* stored(std::string_view name) { return values_.values(name).data(); }
  [[nodiscard]] float* gradient(std::string_view name) const;
  [[nodiscard]] bool is_trained(std::string_view name) const { return gradient(name) != nullptr; }

  // Asks for the effective values of every trainable weight; to be called before a pass.
  void update_effective_values();
  // The L2 terms of all weights that have one.
  double regularization();

  // A backward pass: between the first call and the last, finish() once for every trained weight,
  // when its gradient is computed and its values are not needed any more. It adds the gradient of
  // the L2 term and hands the pieces to the sink. The last call gives the L2 terms of all weights
  // as they were before.
  void begin_backward(GradientSink sink) { sink_ = std::move(sink); }
  void finish(std::string_view name);  // nothing happens for a weight that is not trained
  double end_backward();

 private:
  void allocate_gradients();
  [[nodiscard]] bool has_l2_term(const Weight& weight) const {
    return weight_decay_ != 0 &&
           (is_regularized_ ? is_regularized_(weight) : is_regularized(weight.role));
  }
  // Half the sum of squares of all pieces. `take_piece(first, count)` gives that of a piece.
  double half_squares(std::size_t count,
                      const std::function<double(std::size_t, std::size_t)>& take_piece);
  [[nodiscard]] double half_squares_of(const Weight& weight);
  double constant_half_squares();

  std::vector<Weight> weights_;
  double weight_decay_;
  EffectiveValues effective_values_;
  std::function<bool(const Weight&)> is_regularized_;
  Weights values_;
  std::optional<Weights> effective_;
  AlignedMemory gradient_memory_;
  std::vector<TrainedParameter> parameters_;
  std::map<std::string, std::size_t, std::less<>> parameter_indices_;
  GradientSink sink_;
  std::vector<double> half_squares_of_pass_;  // of each parameter that is finished
  std::vector<double> piece_sums_;
  // The sum of the terms of weights that are not trained, until one of them is written.
  std::optional<double> constant_half_squares_;
};

}  // namespace narrow
