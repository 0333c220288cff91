// What a network is, as plain data: operators in an order in which they can be computed, the values
// between them, and its weights by the names that a checkpoint gives them. A graph holds no weight
// data and no sizes of images: see shapes.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "graph/attributes.h"
#include "narrow/tensor.h"

namespace narrow {

// Index into Graph::values.
using ValueId = int;
// No value: an optional input that is left out, or no such thing.
constexpr ValueId kNoValue = -1;

// A size that is known, or one that stays free until the graph is compiled.
struct Dimension {
  std::int64_t size = -1;  // -1: free
  std::string symbol;      // of a free one, "N"; empty: not even equal to another of them

  Dimension() = default;
  Dimension(std::int64_t known) : size(known) {}  // NOLINT: {64, 3} are dimensions
  static Dimension free(std::string symbol);
  [[nodiscard]] bool is_free() const { return size < 0; }
  bool operator==(const Dimension&) const = default;
};
using Dimensions = std::vector<Dimension>;

// "[N, 64, 112, 112]"; "?" for a free dimension without symbol.
std::string to_string(const Dimensions& dimensions);

// What a weight is to its operator.
enum class WeightRole : std::uint8_t {
  kKernel,  // of a linear operator
  kBias,
  kGamma,  // of a batch normalization
  kBeta,
  kMovingMean,
  kMovingVariance,
  kOther,  // an operand of something else
};

// Whether an optimizer changes it: everything but the moving statistics.
bool is_trainable(WeightRole role) noexcept;
// Whether an L2 term covers it, as Slim has them: kernels only.
bool is_regularized(WeightRole role) noexcept;

// How the checkpoint orders the axes of a weight.
enum class WeightLayout : std::uint8_t {
  kAsUsed,  // as the operator has it: OIHW for Conv
  kHwio,    // TensorFlow's: height, width, in, out
};

// A tensor that the graph's checkpoint holds.
struct Weight {
  std::string name;  // "resnet_v1_50/conv1/weights"
  Shape shape;       // as stored
  WeightLayout layout = WeightLayout::kAsUsed;
  WeightRole role = WeightRole::kKernel;
  DType type = DType::kFloat32;

  // As the operator has it.
  [[nodiscard]] Shape used_shape() const;
  bool operator==(const Weight&) const = default;
};

// A small array that belongs to the description: a shape, axes, bounds.
struct Constant {
  DType type = DType::kInt64;
  Shape shape;
  std::vector<std::byte> bytes;  // row-major, little-endian
  bool operator==(const Constant&) const = default;
};

struct Value {
  std::string name;
  int weight = -1;               // index into Graph::weights, or -1
  Dimensions dimensions;         // of an input of the graph; those of others follow
  int constant = -1;             // index into Graph::constants, or -1
  DType type = DType::kFloat32;  // of an input of the graph; those of others follow
  // Of an input or a constant whose values the graph holds in a wider type.
  SmallType small = SmallType::kNone;
  bool operator==(const Value&) const = default;
};

struct Node {
  std::string name;
  Attributes attributes;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;  // kNoValue for one that is left out

  // The first one.
  [[nodiscard]] ValueId output() const { return outputs.front(); }
  bool operator==(const Node&) const = default;
};

struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Weight> weights;  // in the order in which they were added
  std::vector<Constant> constants;
  std::vector<Node> nodes;  // topologically sorted
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;

  [[nodiscard]] const Value& value(ValueId id) const {
    return values[static_cast<std::size_t>(id)];
  }
  // The weight that a value is; null when it is none.
  [[nodiscard]] const Weight* weight_of(ValueId id) const;
  // The same for constants.
  [[nodiscard]] const Constant* constant_of(ValueId id) const;
  // Whether it is a weight or a constant.
  [[nodiscard]] bool is_stored(ValueId id) const;
  // The node that makes the value; -1 for inputs, weights and constants.
  [[nodiscard]] int producer(ValueId id) const;
  bool operator==(const Graph&) const = default;
};

// Checks what every function over graphs relies on: indices in range, every value made before it is
// used and only once, names of nodes, values and weights unique, as many inputs and outputs as the
// operator has, kernels and strides positive, weights stored as HWIO of four axes, constants as
// long as they say. Throws Error(kCorrupt) naming the node, value or weight.
void check(const Graph& graph);

}  // namespace narrow
