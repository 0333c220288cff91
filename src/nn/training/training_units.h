// What the training program goes through: a graph cut into units, of which each is computed in one
// go. Internal to this folder.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/layers.h"
#include "graph/shapes.h"
#include "nn/training/kernels/row_kernels.h"

namespace narrow {

// The linear operator of a unit. Weights as TensorFlow stores them: of a convolution [height,
// width, in, out], of a depthwise one [height, width, channels, multiplier], of a fully connected
// layer [in, out].
struct UnitLinear {
  std::string weights;
  Window window;  // of a convolution
  std::int64_t groups = 1;
  int in_channels = 0;  // of a fully connected layer all elements of an example
  int out_channels = 0;
  bool is_fully_connected = false;
};

// Its batch normalization, by the names of the weights.
struct UnitNorm {
  std::optional<std::string> gamma;  // none: 1
  std::string beta;
  std::string moving_mean;
  std::string moving_variance;
  double epsilon = 0;
  double decay = 0;  // of the moving statistics
};

// output = activation(norm(linear(input) + bias) + addend), each of them if it is there. There is
// a bias or a norm, not both.
struct TrainingUnit {
  std::string name;  // of its first node
  const Node* node = nullptr;
  std::optional<UnitLinear> linear;
  std::optional<std::string> bias;
  std::optional<UnitNorm> norm;
  ValueId input = kNoValue;
  ValueId addend = kNoValue;
  training_kernels::Activation activation = training_kernels::Activation::kNone;
  ValueId output = kNoValue;
};

// A unit, or a node that is none: a pool, Concat, LRN, Dropout, a product with a constant, or the
// DequantizeLinear that stands for itself and the QuantizeLinear before it.
struct TrainingStep {
  const TrainingUnit* unit = nullptr;
  const Node* node = nullptr;  // null: the unit

  [[nodiscard]] ValueId output() const { return node != nullptr ? node->output() : unit->output; }
};

// In the order of execution. A change of shape makes no step where the elements stay in their
// places when the channels run fastest.
struct TrainingSteps {
  std::deque<TrainingUnit> units;
  std::vector<TrainingStep> steps;
  // By value: the one whose elements it has, in the same places; itself for most. Of codes: what
  // they are made of.
  std::vector<ValueId> same_as;
};

// For images of one size. The graph must outlive the result. Throws Error(kUnsupported) naming the
// node that cannot be trained and why.
TrainingSteps training_steps(const Graph& graph, const std::vector<Layer>& layers,
                             const ShapeTable& shapes);

// The weight that is the scale of a DequantizeLinear that is a step.
const std::string& scale_name(const Graph& graph, const Node& node);

// Of a node that multiplies by a constant scalar, and of a Dropout: the constant.
double constant_factor(const Graph& graph, const Node& node);
double dropout_ratio(const Graph& graph, const Node& node);

// Throws Error(kUnsupported): NAME: WHAT cannot be trained yet WHY.
[[noreturn]] void refuse_to_train(std::string_view name, std::string_view what,
                                  std::string_view why);
[[noreturn]] void refuse_to_train(const Node& node, std::string_view why);

}  // namespace narrow
