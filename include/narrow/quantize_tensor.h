// Quantization of whole arrays of float32, for every granularity: one call each way.
// docs/numerics.md defines every result; every CPU and every number of cores gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "narrow/export.h"
#include "narrow/quantize_values.h"
#include "narrow/scheme.h"
#include "narrow/tensor.h"

namespace narrow {

// An array as codes, and all that is needed to restore it.
struct QuantizedTensor {
  Shape shape;
  Scheme scheme;                    // with channels: their axis is named
  std::vector<std::int64_t> codes;  // one an element, row-major
  // One a block: for the tensor, for each index of the channels in row-major order, or for each
  // group; none without elements. Blocks of a tensor of rank 0 or 1 are never channels.
  std::vector<BlockParams> params;
  ErrorSums errors;  // what dequantize gives, against the values
};

// Fits every block of `values`, the elements of `shape` in row-major order, and encodes it: what
// quantize_checkpoint does to a float32 tensor, bit for bit. A scheme for channels that names no
// axis means the last one. Uses all available cores; memory beyond the result: the packed codes,
// and for ranges other than minmax and codebooks a copy of the values.
// Throws Error: kUsage for an invalid scheme, an axis outside the shape or another number of values
// than the shape has; what element_count throws; kNumeric for NaN or infinite values, with their
// number and the first index.
NARROW_EXPORT QuantizedTensor quantize(std::span<const float> values, const Shape& shape,
                                       const Scheme& scheme);

// The values that the codes stand for. A code outside code_range stands for the nearest one inside.
// Throws Error(kUsage) for an invalid scheme or axis and for numbers of codes or parameters that do
// not fit shape and scheme; what element_count throws.
NARROW_EXPORT std::vector<float> dequantize(const QuantizedTensor& tensor);

// Both in one: restored[i] is what dequantize(quantize(values, ...)) gives for values[i], without
// codes on the way. `restored` has as many elements as `values` and is other memory, or the very
// same. Returns the errors. Throws what quantize throws, Error(kUsage) for another number of
// places, before anything is written.
NARROW_EXPORT ErrorSums fake_quantize(std::span<const float> values, const Shape& shape,
                                      const Scheme& scheme, std::span<float> restored);

// The codes side by side as packed checkpoints have them, without parameters: scheme.bits bits a
// code, ceil(elements * bits / 8) bytes (docs/formats.md, "Packed checkpoints"). Throws
// Error(kUsage) for numbers of codes or parameters that do not fit shape and scheme.
NARROW_EXPORT std::vector<std::byte> pack_codes(const QuantizedTensor& tensor);

// The same with the codes as packed checkpoints have them, in memory of the caller: for arrays that
// are large, as codes in bytes of their own take eight times as long to write.
struct PackedTensor {
  Shape shape;
  Scheme scheme;
  std::vector<BlockParams> params;
  ErrorSums errors;
  std::span<const std::byte> codes;
};

// ceil(elements * bits / 8). Throws what element_count throws; Error(kUsage) for invalid bits and
// more bytes than can be counted.
NARROW_EXPORT std::uint64_t packed_code_bytes(const Shape& shape, const Scheme& scheme);

// quantize and pack_codes in one, into `codes`, which the result refers to. Throws what quantize
// throws, and Error(kUsage) for another number of bytes than packed_code_bytes.
NARROW_EXPORT PackedTensor quantize_packed(std::span<const float> values, const Shape& shape,
                                           const Scheme& scheme, std::span<std::byte> codes);

// The smallest integer type that holds every code that the blocks of the tensor may have.
NARROW_EXPORT DType code_type(const PackedTensor& tensor);

// The codes as numbers of code_type, for which `numbers` is aligned, an element each. Throws
// Error(kUsage) for another number of bytes than these have, and as dequantize does.
NARROW_EXPORT void unpack_codes(const PackedTensor& tensor, std::span<std::byte> numbers);

// The values that the codes stand for. Throws Error(kUsage) for another number of places, and as
// the other dequantize does.
NARROW_EXPORT void dequantize(const PackedTensor& tensor, std::span<float> restored);

}  // namespace narrow
