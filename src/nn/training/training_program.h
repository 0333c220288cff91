// The forward and backward pass of a network below its logits. Internal to this folder.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "nn/training/convolutions/training_conv.h"
#include "nn/training/normalization/batch_norm.h"
#include "nn/training/pooling.h"
#include "nn/training/step_list.h"
#include "nn/training/training_variables.h"

namespace narrow {

// A convolution and its batch norm.
struct TrainingLayer {
  TrainingLayer(const ConvLayer& layer, const ConvGeometry& geometry, BatchNormMode mode,
                TrainingVariables& variables, RowSums& sums);

  ConvGeometry geometry;
  const float* weights;
  float* weight_gradients;  // null: not trained
  bool is_trained;          // any of its variables
  std::unique_ptr<TrainingConv> conv;
  BatchNorm norm;
};

class TrainingProgram {
 public:
  // All three must outlive it.
  TrainingProgram(const ResnetV1& network, const TrainingOptions& options,
                  TrainingVariables& variables);
  TrainingProgram(const TrainingProgram&) = delete;
  TrainingProgram& operator=(const TrainingProgram&) = delete;

  // The features [batch_size, feature_depth], which stay until the next forward pass.
  const float* forward(const float* images);
  // Where backward() expects the gradient of the features; null when nothing is trained below the
  // logits.
  [[nodiscard]] float* feature_gradients() const { return steps_.floats(feature_gradients_); }
  // After forward() of the same images: sets the gradients of what is trained below the logits.
  void backward();

  // In the order of ResnetV1::conv_layers().
  [[nodiscard]] std::span<const std::unique_ptr<TrainingLayer>> layers() const { return layers_; }
  [[nodiscard]] std::size_t byte_size() const { return steps_.byte_size(); }

 private:
  // Values of the batch at one point of the network: [images, height, width, depth].
  struct Activation {
    int buffer = StepList::kNone;  // none: the images
    int height = 0;
    int width = 0;
    int depth = 0;
  };
  // A layer in its place.
  struct PlacedLayer {
    TrainingLayer* layer = nullptr;
    Activation x;
    Activation conv_output;
    bool passes_gradient_on = false;  // something below it is trained

    [[nodiscard]] bool is_active() const { return passes_gradient_on || layer->is_trained; }
    [[nodiscard]] bool needs_conv_gradient() const {
      return passes_gradient_on || layer->weight_gradients != nullptr;
    }
  };
  struct PlacedUnit {
    std::optional<PlacedLayer> shortcut;
    PlacedLayer conv1;
    PlacedLayer conv2;
    PlacedLayer conv3;
    int stride = 1;
    Activation x;
    Activation y;

    [[nodiscard]] bool is_active() const {
      return conv3.is_active() || (shortcut && shortcut->is_active());
    }
  };

  void add_forward(const ResnetV1& network);
  void add_backward();
  Activation add_root(const ConvLayer& layer);
  Activation add_unit(const BottleneckUnit& unit, const Activation& x);
  PlacedLayer add_conv(const ConvLayer& layer, const Activation& x, bool passes_gradient_on);
  Activation add_norm(const PlacedLayer& placed);
  // Each gives the buffer with the gradient of its input, or none.
  int add_unit_backward(const PlacedUnit& unit, int gradient);
  int add_shortcut_backward(const PlacedUnit& unit, int gradient);
  int add_layer_backward(const PlacedLayer& placed, int gradient);
  // With the gradient of the convolution's output in `gradient`. `input_gradient`: to be added to;
  // none: a new one.
  int add_conv_backward(const PlacedLayer& placed, int gradient, int input_gradient);
  void add_root_backward(int gradient);
  void finish_variables(const TrainingLayer& layer);

  int new_buffer(const Activation& like);
  [[nodiscard]] const float* values(const Activation& x) const {
    return x.buffer == StepList::kNone ? images_ : steps_.floats(x.buffer);
  }

  const TrainingOptions& options_;
  TrainingVariables& variables_;
  RowSums sums_;
  StepList steps_;
  std::vector<std::unique_ptr<TrainingLayer>> layers_;
  PlacedLayer root_;
  std::optional<RootPool> pool_;
  int pool_workspace_ = StepList::kNone;
  std::vector<PlacedUnit> units_;
  Activation last_;
  int features_ = StepList::kNone;
  int feature_gradients_ = StepList::kNone;
  std::size_t forward_steps_ = 0;
  const float* images_ = nullptr;
};

}  // namespace narrow
