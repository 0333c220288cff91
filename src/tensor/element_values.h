// Values of tensors as numbers to compute with: floating-point types as double, integers and bool
// as 64-bit integers, whatever the width in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "narrow/tensor.h"

namespace narrow {

// bool and the plain integers of 8 to 64 bits; values of uint64 above 2^63 - 1 are seen as
// negative ones with the same bits.
bool is_integer(DType type) noexcept;

// The nearest value of a floating-point type, ties to even; too large ones become infinite.
double round_to(DType type, double value);

// The value of an integer type whose low bits are those of `value`, and for bool whether it is not
// zero.
std::int64_t wrap_to(DType type, std::int64_t value);

// From the little-endian memory of a floating-point type. Throws Error(kUnsupported) for another
// type, Error(kCorrupt) when the bytes are no whole number of elements.
std::vector<double> decode_reals(DType type, std::span<const std::byte> bytes);
// The same for an integer type or bool.
std::vector<std::int64_t> decode_integers(DType type, std::span<const std::byte> bytes);

// The opposite; values are rounded or wrapped as above.
std::vector<std::byte> encode_reals(DType type, std::span<const double> values);
std::vector<std::byte> encode_integers(DType type, std::span<const std::int64_t> values);

}  // namespace narrow
