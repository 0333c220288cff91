// The forward pass of a network below its output layer, laid out as steps. Internal to this folder.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "nn/training/pooling.h"
#include "nn/training/step_list.h"
#include "nn/training/trainable_graph.h"
#include "nn/training/training_layer.h"
#include "nn/training/training_variables.h"

namespace narrow {

// A max pool in its place.
struct TrainingPool {
  MaxPooling pooling;
  int workspace = StepList::kNone;  // what the backward pass needs
};

// Values are those of the whole batch, [images, height, width, channels].
class ForwardPass {
 public:
  // Adds its steps to `steps`. Graph, variables and steps must outlive it, and it the steps' runs.
  // Throws what conv_geometry throws.
  ForwardPass(const TrainableGraph& graph, const TrainingOptions& options,
              TrainingVariables& variables, StepList& steps);
  ForwardPass(const ForwardPass&) = delete;
  ForwardPass& operator=(const ForwardPass&) = delete;

  // What the steps work on from now on.
  void set_images(const float* images) { images_ = images; }

  // Where a value is: StepList::kNone for the images, and for what is merged into a sum.
  [[nodiscard]] int buffer(ValueId id) const { return buffers_[static_cast<std::size_t>(id)]; }
  // What is in one of these buffers, while the steps run.
  [[nodiscard]] const float* values(int buffer) const {
    return buffer == StepList::kNone ? images_ : steps_.floats(buffer);
  }
  // Whether something that is trained goes into a value.
  [[nodiscard]] bool needs_gradient(ValueId id) const {
    return needs_gradient_[static_cast<std::size_t>(id)];
  }
  // How many floats a value has, and so its gradient.
  [[nodiscard]] std::size_t float_count(ValueId id) const;
  // Of that size.
  [[nodiscard]] int new_buffer(ValueId id) {
    return steps_.new_buffer(float_count(id) * sizeof(float));
  }

  // All but the output layer, in the order of layers(graph).
  [[nodiscard]] std::span<const std::unique_ptr<TrainingLayer>> layers() const { return layers_; }
  [[nodiscard]] TrainingLayer& placed(const Layer& layer) const;
  [[nodiscard]] const TrainingPool& pool(const Node& node) const {
    return pools_.at(node.output());
  }
  [[nodiscard]] int images() const { return image_count_; }

 private:
  // What a sum adds to the output of a layer.
  struct Addend {
    int buffer = StepList::kNone;
    const BatchNorm* norm = nullptr;
    int stride = 1;
    ValueSize size;
  };

  void make_layers(const TrainingOptions& options, TrainingVariables& variables);
  void add(const GraphStep& step);
  void add_layer(const Layer& layer);
  void add_conv(TrainingLayer& layer);
  void add_norm(const TrainingLayer& layer);
  void add_sum(const TrainingLayer& layer);
  [[nodiscard]] Addend addend_of(const Layer& layer) const;
  void add_max_pool(const Node& node);
  void add_mean(const Node& node);
  // The buffer of what a step gives.
  int new_value(ValueId id);

  const TrainableGraph& graph_;
  int image_count_;
  StepList& steps_;
  RowSums sums_;
  std::vector<std::unique_ptr<TrainingLayer>> layers_;
  std::map<ValueId, TrainingPool> pools_;  // by their results
  std::vector<int> buffers_;               // by value
  std::vector<bool> needs_gradient_;       // by value
  const float* images_ = nullptr;
};

}  // namespace narrow
