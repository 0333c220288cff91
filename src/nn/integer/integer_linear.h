// Conv, ConvTranspose, Gemm and MatMul with stored codes: exact sums of products of codes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nn/integer/code_array.h"
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
  // not fit in 53 bits, in which they are exact everywhere here.
  IntegerLinear(const QuantizedGraph& graph, const QuantizedStep& step, bool is_wide);

  // For a step that makes codes.
  [[nodiscard]] CodeArray codes(const CodeArray& x) const;
  // For one that makes numbers: fl(fl(sum) * fl(s_x s_w)), in float32.
  [[nodiscard]] ReferenceTensor numbers(const CodeArray& x) const;

  [[nodiscard]] const SumBounds& bounds() const { return bounds_; }
  // Whether all sums are computed in 32 bits by vector kernels.
  [[nodiscard]] bool is_fast() const { return !packed_.empty(); }

 private:
  void take_weights(const QuantizedGraph& graph, const Node& node);
  void take_biases(const QuantizedGraph& graph, const Node& node);
  void find_bounds(const QuantizedGraph& graph, const Node& node, const IntegerFormat& x);
  void pack();
  void pack_depthwise();
  // Blocks of groups whose channels fill whole vectors.
  [[nodiscard]] std::int64_t groups_together() const;

  // What the sums of a channel count.
  [[nodiscard]] float unit(std::size_t channel) const;
  // Elements of a channel of an example, one after the other in row-major order.
  [[nodiscard]] std::size_t inner_of(const Shape& result) const;
  static CodeArray as_matrix(const CodeArray& x);

  // By the reference operator, row-major.
  [[nodiscard]] ReferenceTensor plain_sums(const CodeArray& x) const;

  struct Geometry;
  [[nodiscard]] Geometry geometry(const Shape& x) const;
  template <typename Take>
  void for_each_tile(const CodeArray& x, const Geometry& geometry, const Take& take) const;
  void run_fast(const CodeArray& x, const Geometry& geometry, std::int16_t* codes,
                std::int32_t* sums, std::size_t stride) const;

  Attributes attributes_;
  float x_scale_ = 1;
  Window window_;  // of two axes; none of products of matrices
  std::int64_t groups_ = 1;
  std::size_t in_channels_ = 0;
  std::size_t out_channels_ = 0;
  std::size_t taps_ = 1;
  bool is_rows_ = false;               // a product of matrices
  bool is_plain_ = false;              // by the reference operator only
  std::vector<std::int64_t> weights_;  // [out, in / group, taps]
  ReferenceTensor plain_weights_;
  std::vector<float> scales_;
  std::vector<std::int64_t> biases_;
  SumBounds bounds_;
  Requantization requantization_;
  bool makes_codes_ = false;

  bool is_depthwise_ = false;
  std::size_t blocks_ = 1;  // of groups
  std::vector<std::int32_t> packed_;
  std::vector<std::int32_t> packed_biases_;  // of whole tiles, by block
  std::vector<float> packed_factors_;
};

}  // namespace narrow
