// A graph as the training program computes it, at one size of images. Internal to this folder.
#pragma once

#include <cstddef>
#include <vector>

#include "graph/matchers.h"
#include "graph/shapes.h"
#include "nn/training/training_units.h"

namespace narrow {

// Of one image at one point of the network: [height, width, channels].
struct ValueSize {
  int height = 0;
  int width = 0;
  int channels = 0;

  [[nodiscard]] std::size_t pixels() const {
    return static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  }
  [[nodiscard]] std::size_t floats() const { return pixels() * static_cast<std::size_t>(channels); }
};

// What the outputs of a graph in training are: those of linear layers over one pixel, or any
// values.
enum class TrainedOutputs { kLogits, kValues };

class TrainableGraph {
 public:
  // For images of height x width pixels. The graph must outlive it.
  // Throws Error(kUnsupported) naming the layer, node or weight that cannot be trained and why, and
  // what infer_shapes throws.
  TrainableGraph(const Graph& graph, int height, int width,
                 TrainedOutputs outputs = TrainedOutputs::kLogits);
  TrainableGraph(const TrainableGraph&) = delete;
  TrainableGraph& operator=(const TrainableGraph&) = delete;

  [[nodiscard]] const Graph& graph() const { return graph_; }
  // The unit that gives each output of the graph: a linear operator with biases over one pixel.
  // What it reads are features. None with TrainedOutputs::kValues: then outputs are made by steps.
  [[nodiscard]] const std::vector<const TrainingUnit*>& outputs() const { return outputs_; }
  // What the passes lead to: the features of each output, or what it is.
  [[nodiscard]] std::vector<ValueId> ends() const;
  // What is computed for the features, in order. All that they give is used.
  [[nodiscard]] const std::vector<TrainingStep>& steps() const { return steps_; }
  // Input `index` of a node that is a step.
  [[nodiscard]] ValueId input(const Node& node, std::size_t index = 0) const {
    return found_.same_as[static_cast<std::size_t>(node.inputs[index])];
  }
  // What a step reads.
  [[nodiscard]] std::vector<ValueId> inputs(const TrainingStep& step) const;
  // Of the image and everything that a step reads or gives.
  [[nodiscard]] ValueSize size(ValueId id) const;

  // The step that makes the value, if nobody but a sum after a batch norm reads it, as its addend,
  // and if it is computed there, so that it is stored nowhere: a unit with nothing after its batch
  // norm, which is then applied in the sum, or a MaxPool with windows of one pixel, which only says
  // which pixels are added. Null: the value is stored.
  [[nodiscard]] const TrainingStep* merged(ValueId id) const;

 private:
  [[nodiscard]] const Dimensions& shape(ValueId id) const {
    return shapes_[static_cast<std::size_t>(id)];
  }
  void find_outputs();
  void require_final(const TrainingUnit& output) const;
  void require_trainable(const TrainingUnit& unit) const;
  void require_trainable(const Node& node) const;
  void require_own_weights() const;
  void find_merged();
  [[nodiscard]] bool can_merge(const TrainingStep& step) const;

  const Graph& graph_;
  ValueUses uses_;
  ShapeTable shapes_;
  TrainingSteps found_;
  std::vector<const TrainingUnit*> outputs_;
  std::vector<TrainingStep> steps_;  // without those of the outputs
  std::vector<int> merged_;          // by value: index into steps_, -1 when it is stored
};

}  // namespace narrow
