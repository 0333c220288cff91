// The two passes of a quantizer over one tensor, and what is known after them: for whoever takes
// tensors one by one. Whole checkpoints take the pipeline of quantize_pieces.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "narrow/quantize_plan.h"
#include "quant/tensor_quantizer.h"

namespace narrow {

// So many bytes of a tensor are read at once where nothing else says how many.
constexpr std::uint64_t kScanBytes = std::uint64_t{1} << 20;

// Calls take(bytes) for the whole tensor in order, in pieces of `piece_bytes`, rounded down to
// whole elements. The bytes may be changed; they are gone after the call.
void for_each_piece(const CheckpointReader& reader, std::size_t index, std::uint64_t piece_bytes,
                    const std::function<void(std::span<std::byte>)>& take);

// First pass: every quantizer scans the tensor, which is read once, and finishes.
void scan_tensor(const CheckpointReader& reader, std::size_t index,
                 std::span<TensorQuantizer> quantizers);
// The same of a tensor in memory.
void scan_tensor(std::span<const std::byte> values, TensorQuantizer& quantizer);

// Second pass over a tensor in memory, whose elements have `element_bytes`: they become their
// restored values. Throws what TensorQuantizer::round_trip throws.
ErrorSums round_trip_tensor(const TensorQuantizer& quantizer, std::size_t element_bytes,
                            std::span<std::byte> values);

// Sets what a quantizer knows of its tensor after the first pass.
void describe(const TensorQuantizer& quantizer, const Scheme& scheme, TensorResult& result);

// Whether a tensor stays what it is for NaN or infinite values, which is noted in `result` then.
// Throws non_finite_error unless the policy keeps such tensors.
bool keep_non_finite(const TensorQuantizer& quantizer, NonFinitePolicy policy,
                     TensorResult& result);

}  // namespace narrow
