// Which operators of a graph of QuantizeLinear and DequantizeLinear an engine computes in integers:
// docs/deploy.md has the rules and where they come from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/matchers.h"
#include "graph/operators/small_types.h"
#include "nn/integer/stored_values.h"

namespace narrow {

// The rules are about one node: each answers why it is computed in floating point; an empty text is
// that it is not.
class EngineRules {
 public:
  // The graph must outlive this.
  EngineRules(const Graph& graph, WeightReader read_weight);

  // Whether a DequantizeLinear makes an operand, and the rules are about the operator.
  [[nodiscard]] bool is_judged(const Node& node) const;
  [[nodiscard]] static bool is_linear(const Node& node);

  [[nodiscard]] std::string onnx_runtime(const Node& node) const;
  [[nodiscard]] std::string open_vino(const Node& node) const;
  [[nodiscard]] std::string tensor_rt(const Node& node) const;

  // EngineNode::pair_sum.
  [[nodiscard]] std::optional<std::int64_t> pair_sum(const Node& node) const;

 private:
  // What a DequantizeLinear makes a value from.
  struct Codes {
    const Node* dequantize = nullptr;
    DType type = DType::kFloat32;
    SmallType small = SmallType::kNone;  // of stored codes, before a Cast
    bool is_cast = false;
    bool is_stored = false;
    bool has_zero = false;  // one that is not 0
    std::size_t scales = 1;
    bool has_blocks = false;

    [[nodiscard]] bool is_packed() const { return small != SmallType::kNone && !is_cast; }
    [[nodiscard]] bool is_byte() const { return type == DType::kInt8 || type == DType::kUInt8; }
  };
  [[nodiscard]] std::optional<Codes> codes_of(ValueId id) const;
  // ONNX Runtime on x86 makes signed codes unsigned where one DequantizeLinear reads them, for one
  // reader; `codes` is what QuantizeLinear makes.
  [[nodiscard]] DType onnx_runtime_type(ValueId codes, DType type) const;
  // Whether the zero point of Quantize- or DequantizeLinear is another than 0.
  [[nodiscard]] bool has_zero(const Node& node) const;
  [[nodiscard]] const Node* producer(ValueId id) const;
  // The QuantizeLinear that alone reads the result, behind a Relu or Clip that it makes
  // superfluous; null without one, and `why` says so.
  [[nodiscard]] const Node* result_quantizer(const Node& node, std::string& why) const;
  // Of codes of 8 bits, as unsigned ones.
  [[nodiscard]] std::int64_t greatest_unsigned(const Codes& codes) const;
  [[nodiscard]] bool covers(const Node& bound, const Node& quantize) const;

  [[nodiscard]] std::string onnx_runtime_linear(const Node& node) const;
  [[nodiscard]] std::string onnx_runtime_operands(const Node& node) const;
  [[nodiscard]] std::string onnx_runtime_weights_alone(const Node& node, const Codes& w) const;
  [[nodiscard]] std::string open_vino_operands(const Node& node) const;
  // Biases as engines want them: 32-bit codes in units of s_x s_w, or numbers.
  [[nodiscard]] std::string wrong_bias(const Node& node, const Codes& x, const Codes& w) const;

  const Graph& graph_;
  StoredValues values_;
  ValueUses uses_;
};

}  // namespace narrow
