// The forward pass of a network below its output layer, laid out as steps. Internal to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "nn/training/elementwise.h"
#include "nn/training/learned_step.h"
#include "nn/training/placed_unit.h"
#include "nn/training/pooling.h"
#include "nn/training/step_list.h"
#include "nn/training/trainable_graph.h"
#include "nn/training/training_variables.h"

namespace narrow {

// A pool with windows in its place.
struct PlacedPool {
  WindowPooling pooling;
  int workspace = StepList::kNone;  // what the backward pass needs
};

// Values are those of the whole batch, [images, height, width, channels].
class ForwardPass {
 public:
  // Adds its steps to `steps`. All four must outlive it, and it the steps' runs.
  ForwardPass(const TrainableGraph& graph, const TrainingOptions& options,
              TrainingVariables& variables, StepList& steps);
  ForwardPass(const ForwardPass&) = delete;
  ForwardPass& operator=(const ForwardPass&) = delete;

  // What the steps work on from now on, and which masks of Dropout they use.
  void set_images(const float* images) { images_ = images; }
  void set_step(std::uint64_t step) { step_ = step; }
  [[nodiscard]] std::uint64_t step() const { return step_; }
  // Sees what becomes codes, which nothing does then; null: it does.
  void set_observer(const ValueObserver* observer) { observer_ = observer; }

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

  // All but those of the outputs, in the order in which they are computed.
  [[nodiscard]] std::span<const std::unique_ptr<PlacedUnit>> units() const { return units_; }
  [[nodiscard]] PlacedUnit& placed(const TrainingUnit& unit) const { return *places_.at(&unit); }
  [[nodiscard]] const PlacedPool& pool(const Node& node) const { return pools_.at(node.output()); }
  // Of a DequantizeLinear that is a step.
  [[nodiscard]] LearnedStep& learned(const Node& node) {
    return learned_.at(scale_name(graph_.graph(), node));
  }
  [[nodiscard]] int images() const { return options_.batch_size; }
  [[nodiscard]] DropoutMask dropout(const Node& node) const;
  // The channels of what Concat joins that its input `index` has.
  [[nodiscard]] ChannelSlice slice(const Node& node, std::size_t index) const;

 private:
  // What a sum adds to the output of a layer.
  struct Addend {
    int buffer = StepList::kNone;
    const BatchNorm* norm = nullptr;
    int stride = 1;
    ValueSize size;
  };

  void add(const TrainingStep& step);
  void add_unit(const TrainingUnit& unit);
  void add_conv(PlacedUnit& unit);
  void add_norm(const PlacedUnit& unit);
  void add_sum(const PlacedUnit& unit);
  void add_plain(const PlacedUnit& unit);
  [[nodiscard]] Addend addend_of(const TrainingUnit& unit) const;
  void add_node(const Node& node);
  void add_pool(const Node& node, PoolKind kind, const Window& window, bool ceil_mode);
  void add_mean(const Node& node);
  void add_concat(const Node& node);
  void add_lrn(const Node& node);
  void add_scaling(const Node& node);
  void add_dropout(const Node& node);
  void add_quantizer(const Node& node);
  // The buffer of what a step gives.
  int new_value(ValueId id);

  const TrainableGraph& graph_;
  const TrainingOptions& options_;
  TrainingVariables& variables_;
  StepList& steps_;
  RowSums sums_;
  std::vector<std::unique_ptr<PlacedUnit>> units_;
  std::map<const TrainingUnit*, PlacedUnit*> places_;
  std::map<ValueId, PlacedPool> pools_;         // by their results
  std::map<std::string, LearnedStep> learned_;  // by the names of the steps
  std::vector<int> buffers_;                    // by value
  std::vector<bool> needs_gradient_;            // by value
  const float* images_ = nullptr;
  const ValueObserver* observer_ = nullptr;
  std::uint64_t step_ = 0;
};

}  // namespace narrow
