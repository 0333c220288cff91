// Element types of ONNX of 8 bits or fewer that nothing here computes in. A graph holds their
// values in a wider type that has all of them: what makes such a value, a cast or a quantization,
// says to which small type it rounds. https://onnx.ai/onnx/technical/float8.html, float4.html,
// int4.html
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "narrow/tensor.h"

namespace narrow {

enum class SmallType : std::uint8_t {
  kNone,
  kInt2,
  kInt4,
  kUInt2,
  kUInt4,
  kFloat4E2M1,
  kFloat8E4M3Fn,
  kFloat8E4M3Fnuz,
  kFloat8E5M2,
  kFloat8E5M2Fnuz,
  kFloat8E8M0,
};

// How a value between two of kFloat8E8M0, the powers of two, is rounded.
enum class PowerRounding : std::uint8_t { kUp, kDown, kNearest };

// ONNX's name of it: "FLOAT8E4M3FN".
std::string_view to_string(SmallType type) noexcept;
unsigned bits_of(SmallType type) noexcept;
// The type that holds its values: int8, uint8, float16, or float32 for kFloat8E8M0.
DType holder_of(SmallType type) noexcept;

// The value of a code of a floating-point one.
double small_value(SmallType type, std::uint8_t code);

// The nearest value of a floating-point one, ties to even. What is too large becomes the largest
// value if `saturate`, else infinite or, in a type without infinity, NaN.
double round_small(SmallType type, double value, bool saturate = true,
                   PowerRounding rounding = PowerRounding::kUp);
// The value of an integer one with the low bits of `value`.
std::int64_t wrap_small(SmallType type, std::int64_t value) noexcept;

// The least and the greatest value of an integer type of at most 32 bits.
struct IntegerRange {
  std::int64_t least = 0;
  std::int64_t greatest = 0;
};
// Of `small`, or of `type` where that is kNone; nothing where it is no such type.
std::optional<IntegerRange> integer_range(DType type, SmallType small);

}  // namespace narrow
