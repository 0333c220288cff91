// Which tensors a packed file holds for which tensors of the original, and in which order they lie
// in the file (docs/formats.md, "Packed checkpoints").
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "narrow/packed_checkpoint.h"
#include "narrow/tensor.h"

namespace narrow {

// What one stored tensor is to the tensor that it belongs to.
enum class PackedPart : std::uint8_t {
  kUnchanged,  // the values themselves
  kRaw,        // the bytes of values whose type safetensors does not have
  kCodes,
  kLo,  // parameters, an entry for each block
  kHi,
  kLargest,
  kFractionBits,
  kSigned,
  kDecimalExponent,
  kLevels,
};

// What follows the name of the original's tensor: ":codes", ":lo", ...; nothing for kUnchanged.
std::string_view suffix_of(PackedPart part) noexcept;

// The parts that hold the parameters of a scheme.
std::vector<PackedPart> parameter_parts(const Scheme& scheme);
// Their type, and how many elements of it each block has.
DType parameter_type(PackedPart part) noexcept;
std::uint64_t parameters_per_block(PackedPart part, const Scheme& scheme) noexcept;

struct StoredPart {
  PackedPart part = PackedPart::kUnchanged;
  std::size_t stored = 0;  // in PackedLayout::stored
};

struct PackedLayout {
  std::vector<TensorInfo> stored;  // of the safetensors file in its order
  // For each tensor of the original; codes come last.
  std::vector<std::vector<StoredPart>> parts;
  // The tensor of zeros that moves the codes to a multiple of 64 bytes, if one is needed.
  std::optional<std::size_t> padding;
};

constexpr std::string_view kPaddingName = "narrow:padding";

// The bytes of the elements of a string tensor as they are stored: of each its length as a
// little-endian uint64 and its characters.
std::vector<std::byte> string_bytes(std::span<const std::string> strings);

// Fills in blocks and sizes of every tensor. `string_sizes`: the stored bytes of each string
// tensor; others are not looked at.
// Throws Error: kUsage for an axis outside a shape, kCorrupt for sizes that do not fit in 63 bits.
void measure_packed(std::vector<PackedTensor>& tensors,
                    const std::vector<std::uint64_t>& string_sizes);

// The layout of measured tensors. Throws Error(kUnsupported) when two stored tensors would have one
// name.
PackedLayout packed_layout(const std::vector<PackedTensor>& tensors);

}  // namespace narrow
