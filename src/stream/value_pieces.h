// The values of a tensor of any number type as doubles, piece by piece.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "narrow/checkpoint.h"

namespace narrow {

// Doubles that a tensor of `dtype` gives for each element: 2 for complex numbers, 0 for strings
// and opaque types, else 1.
int values_per_element(DType dtype) noexcept;

// The value of a code of kFloat8E4M3 or kFloat8E5M2.
double float8_value(DType dtype, std::uint8_t code) noexcept;

// `values` gets those of the elements in `bytes`, values_per_element(dtype) of each. int64 and
// uint64 beyond 2^53 are rounded. Throws Error(kUsage) for a type without values.
void load_values(DType dtype, std::span<const std::byte> bytes, std::span<double> values);

// Reads a tensor front to back: see load_values.
class ValuePieces {
 public:
  ValuePieces(const CheckpointReader& reader, std::size_t index);

  // The next values, at most `max_values` (even); empty at the end. Valid until the next call.
  std::span<const double> next(std::size_t max_values);
  // The same values as stored.
  [[nodiscard]] std::span<const std::byte> raw() const { return bytes_; }

 private:
  DType dtype_;
  std::uint64_t elements_left_;
  std::unique_ptr<TensorStream> stream_;
  std::vector<std::byte> bytes_;
  std::vector<double> values_;
};

}  // namespace narrow
