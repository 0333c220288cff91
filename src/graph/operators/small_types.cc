#include "graph/operators/small_types.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace narrow {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kLeastPower = -127;  // of kFloat8E8M0

enum class Specials : std::uint8_t {
  kNoSpecials,
  kInfinities,     // as IEEE 754 has them
  kLastIsNaN,      // all bits but the sign set
  kMinusZeroIsNaN  // and there is no negative zero
};

struct Format {
  int mantissa_bits;
  int bias;
  double largest;
  Specials specials;
};

Format format_of(SmallType type) {
  switch (type) {
    case SmallType::kFloat4E2M1:
      return {1, 1, 6, Specials::kNoSpecials};
    case SmallType::kFloat8E4M3Fn:
      return {3, 7, 448, Specials::kLastIsNaN};
    case SmallType::kFloat8E4M3Fnuz:
      return {3, 8, 240, Specials::kMinusZeroIsNaN};
    case SmallType::kFloat8E5M2:
      return {2, 15, 57344, Specials::kInfinities};
    default:
      return {2, 16, 57344, Specials::kMinusZeroIsNaN};
  }
}

bool is_signed(SmallType type) { return type == SmallType::kInt2 || type == SmallType::kInt4; }

// A power of two; smaller ones become the least of them, and what has no logarithm NaN.
double round_to_power(double value, bool saturate, PowerRounding rounding) {
  if (std::isnan(value) || value < 0 || (std::isinf(value) && !saturate)) return kNaN;
  if (std::isinf(value)) return std::ldexp(1.0, 127);
  int exponent = 0;
  const double fraction = 2 * std::frexp(value, &exponent);  // in [1, 2), or 0
  const bool goes_up = rounding == PowerRounding::kUp
                           ? fraction > 1
                           : rounding == PowerRounding::kNearest && fraction >= 1.5;
  exponent += goes_up ? 0 : -1;
  if (value == 0 || exponent < kLeastPower) return std::ldexp(1.0, kLeastPower);
  if (exponent > 127) return saturate ? std::ldexp(1.0, 127) : kNaN;
  return std::ldexp(1.0, exponent);
}

}  // namespace

std::string_view to_string(SmallType type) noexcept {
  switch (type) {
    case SmallType::kNone:
      break;
    case SmallType::kInt2:
      return "INT2";
    case SmallType::kInt4:
      return "INT4";
    case SmallType::kUInt2:
      return "UINT2";
    case SmallType::kUInt4:
      return "UINT4";
    case SmallType::kFloat4E2M1:
      return "FLOAT4E2M1";
    case SmallType::kFloat8E4M3Fn:
      return "FLOAT8E4M3FN";
    case SmallType::kFloat8E4M3Fnuz:
      return "FLOAT8E4M3FNUZ";
    case SmallType::kFloat8E5M2:
      return "FLOAT8E5M2";
    case SmallType::kFloat8E5M2Fnuz:
      return "FLOAT8E5M2FNUZ";
    case SmallType::kFloat8E8M0:
      return "FLOAT8E8M0";
  }
  return "none";
}

unsigned bits_of(SmallType type) noexcept {
  switch (type) {
    case SmallType::kInt2:
    case SmallType::kUInt2:
      return 2;
    case SmallType::kInt4:
    case SmallType::kUInt4:
    case SmallType::kFloat4E2M1:
      return 4;
    default:
      return 8;
  }
}

DType holder_of(SmallType type) noexcept {
  switch (type) {
    case SmallType::kInt2:
    case SmallType::kInt4:
      return DType::kInt8;
    case SmallType::kUInt2:
    case SmallType::kUInt4:
      return DType::kUInt8;
    case SmallType::kNone:
    case SmallType::kFloat8E8M0:
      return DType::kFloat32;
    default:
      return DType::kFloat16;
  }
}

double small_value(SmallType type, std::uint8_t code) {
  if (type == SmallType::kFloat8E8M0) {
    return code == 255 ? kNaN : std::ldexp(1.0, code + kLeastPower);
  }
  const Format format = format_of(type);
  const unsigned sign = 1U << (bits_of(type) - 1);
  const unsigned size = code & (sign - 1);
  const bool is_negative = (code & sign) != 0;
  const int mantissa = static_cast<int>(size & ((1U << format.mantissa_bits) - 1));
  const int exponent = static_cast<int>(size >> format.mantissa_bits);
  if (format.specials == Specials::kMinusZeroIsNaN && is_negative && size == 0) return kNaN;
  if (format.specials == Specials::kLastIsNaN && size == sign - 1) return kNaN;
  if (format.specials == Specials::kInfinities && exponent == 2 * format.bias + 1) {
    if (mantissa != 0) return kNaN;
    return is_negative ? -kInfinity : kInfinity;
  }
  const int lead = exponent > 0 ? 1 << format.mantissa_bits : 0;
  const double value =
      std::ldexp(lead + mantissa, std::max(exponent, 1) - format.bias - format.mantissa_bits);
  return is_negative ? -value : value;
}

double round_small(SmallType type, double value, bool saturate, PowerRounding rounding) {
  if (type == SmallType::kFloat8E8M0) return round_to_power(value, saturate, rounding);
  const Format format = format_of(type);
  if (format.specials == Specials::kNoSpecials) saturate = true;
  // NaN has no code in FLOAT4E2M1; ONNX's tests have the negative zero.
  if (std::isnan(value)) return format.specials == Specials::kNoSpecials ? -0.0 : value;
  int exponent = 0;
  std::frexp(value, &exponent);
  const int step =
      std::max(exponent - 1 - format.mantissa_bits, 1 - format.bias - format.mantissa_bits);
  const double rounded =
      std::isinf(value) ? value : std::ldexp(std::nearbyint(std::ldexp(value, -step)), step);
  if (rounded == 0 && format.specials == Specials::kMinusZeroIsNaN) return 0;
  if (std::abs(rounded) <= format.largest) return rounded;
  if (saturate) return std::copysign(format.largest, value);
  return format.specials == Specials::kInfinities ? std::copysign(kInfinity, value) : kNaN;
}

std::int64_t wrap_small(SmallType type, std::int64_t value) noexcept {
  const std::int64_t count = std::int64_t{1} << bits_of(type);
  const std::int64_t low = value & (count - 1);
  return is_signed(type) && low >= count / 2 ? low - count : low;
}

std::optional<IntegerRange> integer_range(DType type, SmallType small) {
  switch (small) {
    case SmallType::kNone:
      break;
    case SmallType::kInt2:
      return IntegerRange{-2, 1};
    case SmallType::kInt4:
      return IntegerRange{-8, 7};
    case SmallType::kUInt2:
      return IntegerRange{0, 3};
    case SmallType::kUInt4:
      return IntegerRange{0, 15};
    default:
      return std::nullopt;
  }
  switch (type) {
    case DType::kInt8:
      return IntegerRange{INT8_MIN, INT8_MAX};
    case DType::kUInt8:
      return IntegerRange{0, UINT8_MAX};
    case DType::kInt16:
      return IntegerRange{INT16_MIN, INT16_MAX};
    case DType::kUInt16:
      return IntegerRange{0, UINT16_MAX};
    case DType::kInt32:
      return IntegerRange{INT32_MIN, INT32_MAX};
    default:
      return std::nullopt;
  }
}

}  // namespace narrow
