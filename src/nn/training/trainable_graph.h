// What the training program goes through: the part of a graph below its output layer. Internal to
// this folder.
#pragma once

#include <cstddef>
#include <vector>

#include "graph/layers.h"
#include "graph/matchers.h"
#include "graph/shapes.h"

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

class TrainableGraph {
 public:
  // For images of height x width pixels. Both graph and layers must outlive it.
  // Throws Error(kUnsupported) naming the layer, node or weight that cannot be trained and why, and
  // what infer_shapes throws.
  TrainableGraph(const Graph& graph, const std::vector<Layer>& layers, int height, int width);
  TrainableGraph(const TrainableGraph&) = delete;
  TrainableGraph& operator=(const TrainableGraph&) = delete;

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] const std::vector<Layer>& layers() const { return layers_; }
  // The layer that gives the logits: a 1x1 convolution with biases of one pixel. What it reads are
  // the features.
  [[nodiscard]] const Layer& output() const { return *output_; }
  // What is computed for the features, in order: layers with batch norm, MaxPool and
  // GlobalAveragePool. All that they give is used.
  [[nodiscard]] const std::vector<GraphStep>& steps() const { return steps_; }
  // Of the image, the features and everything that a step gives.
  [[nodiscard]] ValueSize size(ValueId id) const;

  // The step that makes the value, if nobody but a sum reads it, as its addend, and if it is
  // computed there, so that it is stored nowhere: a layer with nothing after its batch norm, which
  // is then applied in the sum, or a MaxPool with windows of one pixel, which only says which
  // pixels are added. Null: the value is stored.
  [[nodiscard]] const GraphStep* merged(ValueId id) const;

 private:
  [[nodiscard]] const Dimensions& shape(ValueId id) const {
    return shapes_[static_cast<std::size_t>(id)];
  }
  void take_steps();
  void require_used(const GraphStep& step) const;
  void require_trainable(const Layer& layer) const;
  void require_trainable(const Node& node) const;
  void require_output_layer() const;
  void require_own_weights() const;
  void find_merged();
  [[nodiscard]] bool can_merge(const GraphStep& step) const;

  const Graph& graph_;
  const std::vector<Layer>& layers_;
  ValueUses uses_;
  ShapeTable shapes_;
  const Layer* output_;
  std::vector<GraphStep> steps_;
  std::vector<int> merged_;  // by value: index into steps_, -1 when it is stored
};

}  // namespace narrow
