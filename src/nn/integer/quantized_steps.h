// Which parts of a graph with QuantizeLinear and DequantizeLinear nodes are computed in integers,
// and with what: found by looking at the graph.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "graph/graph.h"
#include "narrow/integer_arithmetic.h"
#include "nn/integer/stored_values.h"

namespace narrow {

// What the codes of a value stand for: (code - zero) * scale. Values between operators are held
// less their zero point, which makes padding 0 and sums free of corrections.
struct IntegerFormat {
  float scale = 1;
  std::int64_t zero = 0;
  DType type = DType::kUInt8;
  // Of codes less the zero point; 0 lies between them.
  std::int64_t least = 0;
  std::int64_t greatest = 0;
  // How sums become codes, and between what the activation bounds them before they overflow.
  IntegerArithmetic arithmetic = {};
  std::int64_t bound_least = std::numeric_limits<std::int64_t>::min();
  std::int64_t bound_greatest = std::numeric_limits<std::int64_t>::max();

  // The largest of a code less the zero point.
  [[nodiscard]] std::int64_t magnitude() const { return std::max(-least, greatest); }
  // Whether the same code stands for the same number.
  [[nodiscard]] bool same_numbers(const IntegerFormat& other) const {
    return scale == other.scale && zero == other.zero;
  }
  bool operator==(const IntegerFormat&) const = default;
};

enum class StepKind : std::uint8_t {
  kFloat,       // a node as its operator page says
  kQuantize,    // numbers to codes
  kDequantize,  // codes to numbers
  kLinear,      // Conv, ConvTranspose, Gemm, MatMul with stored codes: exact sums of products
  kProduct,     // MatMul of two values
  kAdd,
  kMul,
  kMean,   // AveragePool, GlobalAveragePool
  kTable,  // a function of one element: a number for each code
  kMove,   // the node does not compute: it moves codes, or takes the largest
};

// A part of the graph. What lies between it and others is a value of the graph: codes that a
// QuantizeLinear makes, or numbers.
struct QuantizedStep {
  StepKind kind = StepKind::kFloat;
  std::vector<int> nodes;       // that it stands for: the operator, what bounds it, QuantizeLinear
  std::vector<ValueId> inputs;  // as `kind` needs them: codes, or numbers; stored ones left out
  ValueId output = kNoValue;    // of all kinds but kFloat
  bool makes_codes = false;

  [[nodiscard]] const Node& node(const Graph& graph) const {
    return graph.nodes[static_cast<std::size_t>(nodes.front())];
  }
};

class QuantizedGraph {
 public:
  // Weights are read when they are asked for. The graph must outlive this.
  QuantizedGraph(const Graph& graph, WeightReader read_weight,
                 const IntegerArithmetic& arithmetic = {});

  [[nodiscard]] const Graph& graph() const { return graph_; }
  // In an order in which they can be computed; what nothing needs is left out.
  [[nodiscard]] const std::vector<QuantizedStep>& steps() const { return steps_; }
  // Of a value that is codes of a step; null for others.
  [[nodiscard]] const IntegerFormat* format(ValueId id) const;

  // As StoredValues has them.
  [[nodiscard]] const ReferenceTensor* stored(ValueId id) const { return values_.stored(id); }
  [[nodiscard]] ValueId codes_behind(ValueId id) const { return values_.codes_behind(id); }
  [[nodiscard]] std::optional<std::size_t> stored_rank(ValueId id) const {
    return values_.stored_rank(id);
  }
  [[nodiscard]] std::optional<StoredCodes> stored_codes(ValueId id, std::size_t axis) const {
    return values_.stored_codes(id, axis);
  }

 private:
  class Finder;

  const Graph& graph_;
  IntegerArithmetic arithmetic_;
  StoredValues values_;
  std::vector<QuantizedStep> steps_;
  std::map<ValueId, IntegerFormat> formats_;
};

// Whether the node only moves elements of its first operand, or of all, or takes the largest.
bool only_moves(const Node& node);
// Whether the node multiplies two values element by element.
bool multiplies_elements(const Node& node);
// The axis of the output channels of the weights of Conv, ConvTranspose, Gemm or MatMul of this
// rank.
std::size_t output_axis(const Node& node, std::size_t rank);

// Q of a number in this format, less the zero point: ONNX's QuantizeLinear.
std::int64_t centered_code(float value, const IntegerFormat& format);

}  // namespace narrow
