// Conv, ConvTranspose, Gemm and MatMul with stored codes: exact sums of products of codes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "nn/integer/code_array.h"
#include "nn/integer/packed_linear.h"
#include "nn/integer/requantization.h"

namespace narrow {

// What a linear step adds up, for every input that the codes of x allow.
struct SumBounds {
  std::int64_t least = 0;
  std::int64_t greatest = 0;
  // Of the smallest signed integer that holds both.
  [[nodiscard]] int bits() const;
};

class IntegerLinear {
 public:
  // `step` is a kLinear one of the graph. Throws Error(kUnsupported) naming the node whose sums do
  // not fit in 53 bits, in which they are exact everywhere here. `width`: of all codes.
  IntegerLinear(const QuantizedGraph& graph, const QuantizedStep& step, CodeWidth width);

  // For a step that makes codes.
  [[nodiscard]] CodeArray codes(const CodeArray& x) const;
  // For one that makes numbers: fl(fl(sum) * fl(s_x s_w)), in float32.
  [[nodiscard]] ReferenceTensor numbers(const CodeArray& x) const;

  // Exact, row-major.
  [[nodiscard]] ReferenceTensor sums(const CodeArray& x) const;

  [[nodiscard]] const SumBounds& bounds() const { return bounds_; }
  [[nodiscard]] const LinearSizes& sizes() const { return sizes_; }
  // [out, in / group, taps], less their zero points; none but for a width of kLong.
  [[nodiscard]] const std::vector<std::int64_t>& weights() const { return weights_; }
  // In units of s_x s_w.
  [[nodiscard]] const std::vector<std::int64_t>& biases() const { return biases_; }
  // What a sum of the channel counts: fl(s_x s_w).
  [[nodiscard]] float unit(std::size_t channel) const;
  // For a step that makes codes.
  [[nodiscard]] const Requantization& requantization() const { return requantization_; }

 private:
  void take_weights(const QuantizedGraph& graph, const Node& node);
  void take_biases(const QuantizedGraph& graph, const Node& node);
  void find_bounds(const QuantizedGraph& graph, const Node& node, const IntegerFormat& x);

  // Elements of a channel of an example, one after the other in row-major order.
  [[nodiscard]] std::size_t inner_of(const Shape& result) const;
  static CodeArray as_matrix(const CodeArray& x);
  [[nodiscard]] Shape shape_of_rows(const CodeArray& x) const;
  [[nodiscard]] CodeArray requantized(ReferenceTensor sums, CodeWidth width) const;

  Attributes attributes_;
  float x_scale_ = 1;
  LinearSizes sizes_;
  bool is_rows_ = false;               // a product of matrices
  bool is_plain_ = false;              // by the reference operator only
  std::vector<std::int64_t> weights_;  // [out, in / group, taps]
  ReferenceTensor plain_weights_;
  std::vector<float> scales_;
  std::vector<std::int64_t> biases_;
  SumBounds bounds_;
  Requantization requantization_;
  bool makes_codes_ = false;
  std::optional<PackedLinear> packed_;  // where all sums fit in 32 bits
};

}  // namespace narrow
