// The two passes of a quantizer over one tensor, and what is known after them: for whoever takes
// tensors one by one. Whole checkpoints take the pipeline of quantize_pieces.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/raw_bytes.h"
#include "narrow/quantize_plan.h"
#include "quant/tensor_quantizer.h"

namespace narrow {

// So many bytes of a tensor are read at once where nothing else says how many.
constexpr std::uint64_t kScanBytes = std::uint64_t{1} << 20;

// The bytes of a tensor front to back, in pieces of `piece_bytes`, rounded down to whole elements.
class TensorPieces {
 public:
  TensorPieces(const CheckpointReader& reader, std::size_t index, std::uint64_t piece_bytes);

  [[nodiscard]] bool is_finished() const { return left_ == 0; }
  // The next piece, before is_finished().
  void next(RawBytes& bytes);

 private:
  std::unique_ptr<TensorStream> stream_;
  std::uint64_t left_;
  std::uint64_t piece_bytes_;
};

// First pass: every quantizer scans the tensor, which is read once, and finishes.
void scan_tensor(const CheckpointReader& reader, std::size_t index,
                 std::span<TensorQuantizer> quantizers);
// The same of a tensor in memory.
void scan_tensor(std::span<const std::byte> values, TensorQuantizer& quantizer);

// A first pass that is taken in steps, so that it goes on while another tensor is in its second
// one.
class TensorScan {
 public:
  TensorScan(const CheckpointReader& reader, std::size_t index,
             std::vector<TensorQuantizer> quantizers);

  // Reads and scans the next kScanBytes, if any are left.
  void step();
  // Does the rest.
  std::vector<TensorQuantizer> finish();

 private:
  std::vector<TensorQuantizer> quantizers_;
  TensorPieces pieces_;
  RawBytes bytes_;
};

// Second pass over a tensor in memory, whose elements have `element_bytes`: they become their
// restored values. Throws what TensorQuantizer::round_trip throws.
ErrorSums round_trip_tensor(const TensorQuantizer& quantizer, std::size_t element_bytes,
                            std::span<std::byte> values);

// Sets what a quantizer knows of its tensor after the first pass, with the parameters of `blocks`
// blocks at most.
void describe(const TensorQuantizer& quantizer, const Scheme& scheme, TensorResult& result,
              std::uint64_t blocks = TensorResult::kMaxReportedBlocks);

// Whether a tensor stays what it is for NaN or infinite values, which is noted in `result` then.
// Throws non_finite_error unless the policy keeps such tensors.
bool keep_non_finite(const TensorQuantizer& quantizer, NonFinitePolicy policy,
                     TensorResult& result);

}  // namespace narrow
