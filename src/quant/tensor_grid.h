// The values that a tensor can take under a scheme, for methods that do not simply take the nearest
// one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "narrow/quantize_values.h"
#include "narrow/tensor.h"
#include "quant/blocks/block_layout.h"

namespace narrow {

class TensorGrid {
 public:
  // Every block is fitted to its part of `values`, the float32 values of `info` in row-major order.
  // Throws what fit and block_layout throw.
  TensorGrid(std::span<const float> values, const Scheme& scheme, const TensorInfo& info,
             int default_axis);
  // With parameters that are known: one for each block, else Error(kUsage).
  TensorGrid(std::vector<BlockParams> params, const Scheme& scheme, const TensorInfo& info,
             int default_axis);
  // One block with the range [-bound, bound], whatever the scheme's granularity.
  TensorGrid(double bound, const Scheme& scheme, const TensorInfo& info);

  // The nearest codes of the elements from `first` on, and back; see encode and decode.
  void encode(std::size_t first, std::span<const float> values,
              std::span<std::int64_t> codes) const;
  void decode(std::size_t first, std::span<const std::int64_t> codes,
              std::span<float> restored) const;

  // ErrorSums::overflowed of all elements.
  [[nodiscard]] std::uint64_t count_overflow(std::span<const float> values) const;

  // Of the block that `element` belongs to: its codes, and the mean distance of neighbouring ones
  // (0 when there is one value only).
  [[nodiscard]] const CodeRange& codes_of(std::size_t element) const;
  [[nodiscard]] double step_of(std::size_t element) const;

  [[nodiscard]] std::size_t block_of(std::size_t element) const {
    return static_cast<std::size_t>(layout_.block_of(element));
  }
  [[nodiscard]] const std::vector<BlockParams>& params() const { return params_; }
  // Values outside of the ranges that were fitted, as TensorQuantizer::clipped_values counts them.
  [[nodiscard]] std::uint64_t clipped_values() const { return clipped_values_; }

 private:
  void measure_blocks();

  Scheme scheme_;
  BlockLayout layout_;
  std::vector<BlockParams> params_;
  std::vector<CodeRange> codes_;
  std::vector<double> steps_;
  std::uint64_t clipped_values_ = 0;
};

}  // namespace narrow
