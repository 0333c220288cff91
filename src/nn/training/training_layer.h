// A layer of a network in its place in the training program. Internal to this folder.
#pragma once

#include <memory>

#include "graph/layers.h"
#include "nn/conv_geometry.h"
#include "nn/training/convolutions/training_conv.h"
#include "nn/training/normalization/batch_norm.h"
#include "nn/training/step_list.h"
#include "nn/training/training_variables.h"

namespace narrow {

// A convolution and its batch norm.
struct TrainingLayer {
  // All references must outlive it. Throws what conv_geometry throws.
  TrainingLayer(const Layer& layer, const ConvGeometry& geometry, BatchNormMode mode,
                TrainingVariables& variables, RowSums& sums);

  // Whether a backward pass comes through the batch norm, and through the convolution.
  [[nodiscard]] bool is_active() const { return passes_gradient_on || is_trained; }
  [[nodiscard]] bool needs_conv_gradient() const {
    return passes_gradient_on || weight_gradients != nullptr;
  }

  const Layer& view;
  const float* weights;
  float* weight_gradients;  // null: not trained
  bool is_trained;          // any of its weights
  std::unique_ptr<TrainingConv> conv;
  BatchNorm norm;
  bool passes_gradient_on = false;    // something below its convolution is trained
  int conv_output = StepList::kNone;  // the buffer with the convolution's output
};

}  // namespace narrow
