// All that a training changes: the network's variables, the optimizer's slots, moving averages, the
// number of steps. A checkpoint holds it whole.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/optimizer.h"
#include "nn/optimizers/optimizer_step.h"
#include "nn/training/training_network.h"
#include "tasks/training/training_files.h"

namespace narrow {

class TrainingState {
 public:
  // Slots and averages begin with TensorFlow's initial values; the averages with the variables as
  // they are now. The network must outlive this. `moving_average_decay` 0: no averages.
  TrainingState(TrainingNetwork& network, const OptimizerOptions& optimizer,
                double moving_average_decay);

  // Takes slots, averages and Adam's powers from a checkpoint that save() wrote, and its step.
  // Throws Error(kNotFound) naming what it lacks.
  void restore(const CheckpointReader& reader, std::int64_t global_step);

  // A step: the sink changes the variables while the network passes back, then finish_step() what
  // else a step changes.
  [[nodiscard]] GradientSink begin_step(float learning_rate);
  void finish_step();
  // What the step that has begun is to another rank, which changes its pieces by that.
  [[nodiscard]] const OptimizerStep& step() const { return step_; }
  [[nodiscard]] GradientSink sink(const OptimizerStep& step);
  // What belongs to parameters()[parameter] beside its values, as long as it: the slots, and the
  // moving average.
  [[nodiscard]] std::vector<std::span<float>> companions(std::size_t parameter);

  [[nodiscard]] std::int64_t global_step() const { return global_step_; }
  // Whether every trained variable and moving statistic is a finite number.
  [[nodiscard]] bool is_finite() const;
  // Everything, under TensorFlow's names. The fill functions read this when they are called.
  [[nodiscard]] std::vector<SavedTensor> tensors() const;

 private:
  // What belongs to one of the network's parameters().
  struct Companions {
    std::array<std::vector<float>, 2> slots;
    std::vector<float> average;
  };
  // The average of a variable that no optimizer changes.
  struct PlainAverage {
    bool is_moving_statistic = false;
    std::vector<float> values;
  };

  void update_plain_averages(float decay);

  TrainingNetwork& network_;
  OptimizerOptions optimizer_;
  double moving_average_decay_;
  std::vector<OptimizerSlot> slot_specs_;
  std::vector<Companions> companions_;  // one a parameter
  std::map<std::string, PlainAverage> plain_averages_;
  std::vector<OptimizerVariable> step_variables_;  // spans into the above
  AdamPowers powers_;
  OptimizerStep step_;
  std::int64_t global_step_ = 0;
};

}  // namespace narrow
