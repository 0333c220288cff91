// A unit of a network in its place in the training program. Internal to this folder.
#pragma once

#include <memory>
#include <optional>

#include "nn/training/convolutions/training_conv.h"
#include "nn/training/normalization/batch_norm.h"
#include "nn/training/normalization/bias_activation.h"
#include "nn/training/step_list.h"
#include "nn/training/trainable_graph.h"
#include "nn/training/training_variables.h"

namespace narrow {

struct PlacedUnit {
  // All references must outlive it.
  PlacedUnit(const TrainingUnit& unit, const TrainableGraph& graph, const TrainingOptions& options,
             TrainingVariables& variables, RowSums& sums);

  // Whether a backward pass needs the gradient of what the linear operator gives, or of what the
  // batch norm reads where there is no such operator.
  [[nodiscard]] bool needs_inner_gradient() const {
    return passes_gradient_on || weight_gradients != nullptr;
  }

  const TrainingUnit& view;
  const float* weights = nullptr;
  float* weight_gradients = nullptr;   // null: not trained
  bool is_trained = false;             // any of its weights
  std::unique_ptr<TrainingConv> conv;  // null: there is no linear operator
  std::optional<BatchNorm> norm;
  std::optional<BiasActivation> plain;  // without norm: what follows the linear operator, if any
  bool passes_gradient_on = false;      // something below it is trained
  int conv_output = StepList::kNone;    // with norm: the buffer with what it normalizes
};

}  // namespace narrow
