#include "stream/value_pieces.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/bytes.h"
#include "narrow/error.h"
#include "quant/elements/element_chunk.h"

namespace narrow {
namespace {

// Converts elements of type Stored by `convert`.
template <typename Stored, typename Convert>
void convert_all(std::span<const std::byte> bytes, std::span<double> values, Convert convert) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = convert(load_le<Stored>(bytes.data() + i * sizeof(Stored)));
  }
}

template <typename Stored>
void cast_all(std::span<const std::byte> bytes, std::span<double> values) {
  convert_all<Stored>(bytes, values, [](Stored value) { return static_cast<double>(value); });
}

// The 8-bit formats of Micikevicius et al., "FP8 Formats for Deep Learning", 2022. A value is
// mantissa * 2^exponent; E4M3 has no infinity and one NaN of each sign.
double finite_float8(std::uint8_t bits, int mantissa_bits, int bias) {
  const int exponent = (bits & 0x7f) >> mantissa_bits;
  const int fraction = bits & ((1 << mantissa_bits) - 1);
  const int hidden = exponent > 0 ? 1 << mantissa_bits : 0;
  const double magnitude =
      std::ldexp(hidden + fraction, std::max(exponent, 1) - bias - mantissa_bits);
  return (bits & 0x80) != 0 ? -magnitude : magnitude;
}

double float8_e4m3_value(std::uint8_t bits) {
  constexpr int kNan = 0x7f;
  if ((bits & 0x7f) == kNan) return std::numeric_limits<double>::quiet_NaN();
  return finite_float8(bits, 3, 7);
}

double float8_e5m2_value(std::uint8_t bits) {
  constexpr int kInfinity = 0x7c;
  const double sign = (bits & 0x80) != 0 ? -1 : 1;
  if ((bits & 0x7f) == kInfinity) return sign * std::numeric_limits<double>::infinity();
  if ((bits & 0x7f) > kInfinity) return std::numeric_limits<double>::quiet_NaN();
  return finite_float8(bits, 2, 15);
}

}  // namespace

double float8_value(DType dtype, std::uint8_t code) noexcept {
  return dtype == DType::kFloat8E4M3 ? float8_e4m3_value(code) : float8_e5m2_value(code);
}

int values_per_element(DType dtype) noexcept {
  if (dtype == DType::kString || dtype == DType::kOpaque) return 0;
  return dtype == DType::kComplex64 || dtype == DType::kComplex128 ? 2 : 1;
}

void load_values(DType dtype, std::span<const std::byte> bytes, std::span<double> values) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kFloat64:
    case DType::kFloat16:
    case DType::kBFloat16:
      return load_as_double(dtype, bytes.data(), values.size(), values.data());
    case DType::kComplex64:
      return cast_all<float>(bytes, values);
    case DType::kComplex128:
      return cast_all<double>(bytes, values);
    case DType::kFloat8E4M3:
      return convert_all<std::uint8_t>(bytes, values, float8_e4m3_value);
    case DType::kFloat8E5M2:
      return convert_all<std::uint8_t>(bytes, values, float8_e5m2_value);
    case DType::kInt8:
    case DType::kQInt8:
      return cast_all<std::int8_t>(bytes, values);
    case DType::kUInt8:
    case DType::kQUInt8:
    case DType::kBool:
      return cast_all<std::uint8_t>(bytes, values);
    case DType::kInt16:
    case DType::kQInt16:
      return cast_all<std::int16_t>(bytes, values);
    case DType::kUInt16:
    case DType::kQUInt16:
      return cast_all<std::uint16_t>(bytes, values);
    case DType::kInt32:
    case DType::kQInt32:
      return cast_all<std::int32_t>(bytes, values);
    case DType::kUInt32:
      return cast_all<std::uint32_t>(bytes, values);
    case DType::kInt64:
      return cast_all<std::int64_t>(bytes, values);
    case DType::kUInt64:
      return cast_all<std::uint64_t>(bytes, values);
    case DType::kString:
    case DType::kOpaque:
      break;
  }
  throw Error(ErrorCategory::kUsage, "strings and opaque types have no numeric value");
}

ValuePieces::ValuePieces(const CheckpointReader& reader, std::size_t index)
    : dtype_(reader.tensors()[index].dtype),
      elements_left_(element_count(reader.tensors()[index].shape)),
      stream_(reader.open(index)) {}

std::span<const double> ValuePieces::next(std::size_t max_values) {
  const auto parts = static_cast<std::size_t>(values_per_element(dtype_));
  const std::uint64_t elements = std::min<std::uint64_t>(elements_left_, max_values / parts);
  bytes_.resize(elements * element_size(dtype_));
  values_.resize(elements * parts);
  if (elements == 0) return {};
  stream_->read(bytes_);
  load_values(dtype_, bytes_, values_);
  elements_left_ -= elements;
  return values_;
}

}  // namespace narrow
