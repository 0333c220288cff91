// Quantizes one tensor of any floating-point type, given in pieces, so that memory does not grow
// with the tensor; but a scheme with a range that is not minmax, or a codebook, keeps all values
// for a while: see scan. Two passes: scan every piece in order, then finish_scan, then round_trip
// every piece, in any order and from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "narrow/quantize_values.h"
#include "narrow/tensor.h"
#include "quant/blocks/scan_result.h"

namespace narrow {

class TensorQuantizer {
 public:
  // `default_axis` is the channel axis of the file format (see Granularity::axis).
  // Throws Error(kUsage): invalid scheme, dtype that is not floating point, axis out of range.
  TensorQuantizer(const Scheme& scheme, const TensorInfo& info, int default_axis);
  ~TensorQuantizer();
  TensorQuantizer(TensorQuantizer&&) noexcept;
  TensorQuantizer& operator=(TensorQuantizer&&) noexcept;

  // First pass: the raw little-endian elements of the tensor in order, cut anywhere between
  // elements. A float64 that float32 cannot hold counts as infinite. Throws Error(kUsage) when
  // these are not whole elements or more than are left. For schemes that are fitted to all values
  // of a block (fit_needs_values) the whole tensor is collected as float32.
  void scan(std::span<const std::byte> values);
  // After the last scan: fits every block's parameters when there is no non-finite value. Where
  // that takes all values, blocks are fitted on several threads, each with up to 28 bytes a value
  // of its block besides.
  void finish_scan();
  [[nodiscard]] const NonFinite& non_finite() const;
  // Least and greatest value of what was scanned, as float32; 0 and 0 of nothing.
  [[nodiscard]] std::pair<float, float> value_range() const;
  // Frees collected values after finish_scan: with_scheme can then no longer fit to them.
  void release_values();

  // Whether one scan of a tensor serves both schemes.
  [[nodiscard]] static bool share_scan(const Scheme& a, const Scheme& b);
  // After finish_scan: the same tensor with another scheme that shares the scan. Throws
  // Error(kUsage) for a scheme that is invalid or does not share it.
  [[nodiscard]] TensorQuantizer with_scheme(const Scheme& scheme) const;

  // Second pass: pieces start at multiples of this many elements and are that long, but for the
  // last. It depends on scheme and shape only, so the order of summation is fixed.
  [[nodiscard]] std::uint64_t piece_elements() const;

  // Replaces the elements of one piece by their restored values, rounded to the tensor's own type.
  // `values` begins at element `first`. Adds the codes to `codes` unless it is null. Thread-safe.
  // A finite value never becomes infinite: what rounds beyond the type is its largest finite value.
  // Throws Error(kNumeric) before finish_scan or when there are non-finite values, Error(kUsage)
  // when this is not one of the pieces.
  ErrorSums round_trip(std::uint64_t first, std::span<std::byte> values, CodeCounts* codes) const;

  // What round_trip returns, to the bit, without replacing the elements. Throws the same.
  [[nodiscard]] ErrorSums measure(std::uint64_t first, std::span<const std::byte> values) const;
  // The same of each of these quantizers of one tensor, which must have the same pieces: takes less
  // time than one after the other.
  [[nodiscard]] static std::vector<ErrorSums> measure_each(
      std::span<const TensorQuantizer> quantizers, std::uint64_t first,
      std::span<const std::byte> values);

  // The codes of one piece instead of restored values, as pack_bits puts them side by side from bit
  // first * bits % 8 on, and the parameters that they need beyond those of earlier pieces:
  // BlockLayout::blocks_with_piece. Returns ErrorSums::overflowed. Throws what round_trip throws.
  std::uint64_t encode(std::uint64_t first, std::span<const std::byte> values,
                       std::vector<std::byte>* packed, std::vector<BlockParams>* params) const;

  [[nodiscard]] std::uint64_t block_count() const;
  // Parameters of the first min(block_count, limit) blocks, in order. Contiguous blocks of at most
  // 262144 elements are fitted where they are quantized, unless by all their values: of these at
  // most 4096 are known. Empty before finish_scan and when there are non-finite values.
  [[nodiscard]] std::vector<BlockParams> block_params(std::uint64_t limit) const;
  // Blocks with BlockParams::clips, and the values in them that are clipped; the values are counted
  // for ranges other than minmax only. Of a format (has_format) see ErrorSums::overflowed instead.
  [[nodiscard]] std::uint64_t clipped_blocks() const;
  [[nodiscard]] std::uint64_t clipped_values() const;

 private:
  struct State;
  explicit TensorQuantizer(const State& state);
  std::unique_ptr<State> state_;
};

}  // namespace narrow
