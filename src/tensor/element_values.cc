#include "tensor/element_values.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "narrow/error.h"

namespace narrow {
namespace {

[[noreturn]] void refuse(DType type) {
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("values of type {} cannot be computed with", to_string(type)));
}

// A format with this many significant bits, whose least subnormal is 2^least.
struct Format {
  int digits;
  int least;
  double largest;
};
constexpr Format kHalf = {11, -24, 65504.0};
constexpr Format kBrain = {8, -133, 0x1.FEp127};

double round_to(const Format& format, double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  int exponent = 0;
  std::frexp(value, &exponent);
  const int shift = std::max(exponent - format.digits, format.least);
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -shift)), shift);
  if (std::abs(rounded) <= format.largest) return rounded;
  return std::copysign(std::numeric_limits<double>::infinity(), value);
}

double from_half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int mantissa = bits & 1023;
  double value = std::ldexp(mantissa, -24);
  if (exponent == 31) {
    value = mantissa == 0 ? std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent > 0) {
    value = std::ldexp(1024 + mantissa, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

// Of a value that the format has.
std::uint16_t to_half(double value) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const double size = std::abs(value);
  if (std::isnan(value)) return sign | 0x7E00;
  if (std::isinf(value)) return sign | 0x7C00;
  if (size < 0x1p-14) return static_cast<std::uint16_t>(sign | std::lround(std::ldexp(size, 24)));
  int exponent = 0;
  const double fraction = std::frexp(size, &exponent);
  const long mantissa = std::lround(std::ldexp(fraction, 11)) - 1024;
  return static_cast<std::uint16_t>(sign | (exponent + 14) << 10 | mantissa);
}

double from_brain(std::uint16_t bits) {
  const std::uint32_t wide = static_cast<std::uint32_t>(bits) << 16;
  float value = 0;
  std::memcpy(&value, &wide, sizeof(value));
  return static_cast<double>(value);
}

std::uint16_t to_brain(double value) {
  if (std::isnan(value)) return 0x7FC0;
  const auto narrow = static_cast<float>(value);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &narrow, sizeof(bits));
  return static_cast<std::uint16_t>(bits >> 16);
}

template <typename Stored, typename Number, typename Convert>
std::vector<Number> decode(std::span<const std::byte> bytes, const Convert& convert) {
  if (bytes.size() % sizeof(Stored) != 0) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} bytes are no whole number of elements of {} bytes", bytes.size(),
                            sizeof(Stored)));
  }
  std::vector<Number> numbers(bytes.size() / sizeof(Stored));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    Stored stored{};
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    numbers[i] = convert(stored);
  }
  return numbers;
}

template <typename Stored, typename Number, typename Convert>
std::vector<std::byte> encode(std::span<const Number> numbers, const Convert& convert) {
  std::vector<std::byte> bytes(numbers.size() * sizeof(Stored));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const Stored stored = convert(numbers[i]);
    std::memcpy(bytes.data() + i * sizeof(Stored), &stored, sizeof(Stored));
  }
  return bytes;
}

// Calls `action` with a zero of the C++ type of an integer type; bool is uint8.
template <typename Action>
auto with_integer(DType type, const Action& action) {
  switch (type) {
    case DType::kInt8:
      return action(std::int8_t{});
    case DType::kInt16:
      return action(std::int16_t{});
    case DType::kInt32:
      return action(std::int32_t{});
    case DType::kInt64:
      return action(std::int64_t{});
    case DType::kUInt8:
    case DType::kBool:
      return action(std::uint8_t{});
    case DType::kUInt16:
      return action(std::uint16_t{});
    case DType::kUInt32:
      return action(std::uint32_t{});
    case DType::kUInt64:
      return action(std::uint64_t{});
    default:
      refuse(type);
  }
}

}  // namespace

bool is_integer(DType type) noexcept {
  switch (type) {
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt64:
    case DType::kUInt8:
    case DType::kUInt16:
    case DType::kUInt32:
    case DType::kUInt64:
    case DType::kBool:
      return true;
    default:
      return false;
  }
}

double round_to(DType type, double value) {
  switch (type) {
    case DType::kFloat64:
      return value;
    case DType::kFloat32:
      return static_cast<double>(static_cast<float>(value));
    case DType::kFloat16:
      return round_to(kHalf, value);
    case DType::kBFloat16:
      return round_to(kBrain, value);
    default:
      refuse(type);
  }
}

std::int64_t wrap_to(DType type, std::int64_t value) {
  if (type == DType::kBool) return value != 0 ? 1 : 0;
  return with_integer(type, [&](auto zero) {
    return static_cast<std::int64_t>(static_cast<decltype(zero)>(value));
  });
}

std::vector<double> decode_reals(DType type, std::span<const std::byte> bytes) {
  const auto widen = [](auto value) { return static_cast<double>(value); };
  switch (type) {
    case DType::kFloat64:
      return decode<double, double>(bytes, widen);
    case DType::kFloat32:
      return decode<float, double>(bytes, widen);
    case DType::kFloat16:
      return decode<std::uint16_t, double>(bytes, from_half);
    case DType::kBFloat16:
      return decode<std::uint16_t, double>(bytes, from_brain);
    default:
      refuse(type);
  }
}

std::vector<std::int64_t> decode_integers(DType type, std::span<const std::byte> bytes) {
  return with_integer(type, [&](auto zero) {
    using Stored = decltype(zero);
    return decode<Stored, std::int64_t>(
        bytes, [&](Stored value) { return wrap_to(type, static_cast<std::int64_t>(value)); });
  });
}

std::vector<std::byte> encode_reals(DType type, std::span<const double> values) {
  switch (type) {
    case DType::kFloat64:
      return encode<double>(values, [](double value) { return value; });
    case DType::kFloat32:
      return encode<float>(values, [](double value) { return static_cast<float>(value); });
    case DType::kFloat16:
      return encode<std::uint16_t>(values,
                                   [](double value) { return to_half(round_to(kHalf, value)); });
    case DType::kBFloat16:
      return encode<std::uint16_t>(values,
                                   [](double value) { return to_brain(round_to(kBrain, value)); });
    default:
      refuse(type);
  }
}

std::vector<std::byte> encode_integers(DType type, std::span<const std::int64_t> values) {
  return with_integer(type, [&](auto zero) {
    using Stored = decltype(zero);
    return encode<Stored>(
        values, [&](std::int64_t value) { return static_cast<Stored>(wrap_to(type, value)); });
  });
}

}  // namespace narrow
