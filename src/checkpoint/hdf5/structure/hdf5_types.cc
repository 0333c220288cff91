#include "checkpoint/hdf5/structure/hdf5_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "base/bytes.h"
#include "checkpoint/hdf5/structure/hdf5_record.h"

namespace narrow {
namespace {

// The classes of datatypes.
enum class Class : std::uint8_t {
  kInteger = 0,
  kFloat = 1,
  kTime = 2,
  kText = 3,
  kBits = 4,
  kOpaque = 5,
  kCompound = 6,
  kReference = 7,
  kEnumeration = 8,
  kVariable = 9,
  kArray = 10,
};

constexpr std::array<std::string_view, 11> kClassNames = {
    "integer",  "float",     "time",        "text",     "bit field", "opaque",
    "compound", "reference", "enumeration", "sequence", "array"};

constexpr std::uint32_t kBigEndian = 1 << 0;
constexpr std::uint32_t kSigned = 1 << 3;
constexpr std::uint32_t kVaxEndian = 1 << 6;
constexpr std::uint32_t kImpliedBit = 2 << 4;  // of the mantissa, as IEEE 754 has it
constexpr std::uint32_t kNormalization = 3 << 4;
// "FALSE" and "TRUE" with their zero bytes, each padded to a multiple of 8 in versions 1 and 2.
constexpr std::string_view kBoolNames("FALSE\0\0\0TRUE\0\0\0\0", 16);
constexpr std::string_view kBoolNames3("FALSE\0TRUE\0", 11);

struct FloatForm {
  DType dtype;
  std::uint8_t mantissa_bits;
  std::uint8_t exponent_bits;
};

constexpr std::array kFloats = std::to_array<FloatForm>({{DType::kFloat16, 10, 5},
                                                         {DType::kBFloat16, 7, 8},
                                                         {DType::kFloat32, 23, 8},
                                                         {DType::kFloat64, 52, 11}});

struct IntegerForm {
  DType dtype;
  std::uint8_t bytes;
  bool is_signed;
};

constexpr std::array kIntegers = std::to_array<IntegerForm>({{DType::kInt8, 1, true},
                                                             {DType::kInt16, 2, true},
                                                             {DType::kInt32, 4, true},
                                                             {DType::kInt64, 8, true},
                                                             {DType::kUInt8, 1, false},
                                                             {DType::kUInt16, 2, false},
                                                             {DType::kUInt32, 4, false},
                                                             {DType::kUInt64, 8, false}});

std::uint32_t exponent_bias(const FloatForm& form) {
  return (std::uint32_t{1} << (form.exponent_bits - 1)) - 1;
}

Hdf5Type opaque(std::string name, std::uint64_t size) {
  return {.dtype = DType::kOpaque, .name = std::move(name), .size = size};
}

Hdf5Type read_integer(Hdf5Cursor& cursor, std::uint32_t bits, std::uint64_t size) {
  const std::uint16_t offset = cursor.take_u16();
  const std::uint16_t precision = cursor.take_u16();
  for (const IntegerForm& form : kIntegers) {
    if (form.bytes != size || form.is_signed != ((bits & kSigned) != 0)) continue;
    if (offset != 0 || precision != 8 * size) break;
    return {.dtype = form.dtype, .name = {}, .size = size, .big_endian = (bits & kBigEndian) != 0};
  }
  return opaque(fmt::format("{}-bit integer", precision), size);
}

Hdf5Type read_float(Hdf5Cursor& cursor, std::uint32_t bits, std::uint64_t size) {
  const std::uint16_t offset = cursor.take_u16();
  const std::uint16_t precision = cursor.take_u16();
  const std::uint8_t exponent_at = cursor.take_u8();
  const std::uint8_t exponent_bits = cursor.take_u8();
  const std::uint8_t mantissa_at = cursor.take_u8();
  const std::uint8_t mantissa_bits = cursor.take_u8();
  const std::uint32_t bias = cursor.take_u32();
  for (const FloatForm& form : kFloats) {
    const std::uint32_t width = 1 + form.exponent_bits + form.mantissa_bits;
    if (size * 8 != width || precision != width || offset != 0 || mantissa_at != 0 ||
        mantissa_bits != form.mantissa_bits || exponent_at != form.mantissa_bits ||
        exponent_bits != form.exponent_bits || bias != exponent_bias(form) ||
        (bits >> 8) != width - 1 || (bits & kNormalization) != kImpliedBit ||
        (bits & kVaxEndian) != 0) {
      continue;
    }
    return {.dtype = form.dtype, .name = {}, .size = size, .big_endian = (bits & kBigEndian) != 0};
  }
  return opaque(fmt::format("{}-bit float with {} bits of exponent", precision, exponent_bits),
                size);
}

// h5py's bool: an enumeration of int8.
Hdf5Type read_enumeration(Hdf5Cursor& cursor, std::uint32_t bits, std::uint64_t size,
                          std::uint8_t version) {
  const Hdf5Type other = opaque("enumeration", size);
  if ((bits & 0xffff) != 2 || size != 1) return other;
  if (read_hdf5_type(cursor).size != 1) return other;
  const std::string_view names = version < 3 ? kBoolNames : kBoolNames3;
  if (cursor.left() < names.size() + 2) return other;
  if (!std::ranges::equal(cursor.take_bytes(names.size()), as_byte_span(names))) return other;
  if (cursor.take_u8() != 0 || cursor.take_u8() != 1) return other;
  return {.dtype = DType::kBool, .name = {}, .size = size};
}

}  // namespace

Hdf5Type read_hdf5_type(Hdf5Cursor& cursor) {
  const std::uint8_t head = cursor.take_u8();
  const auto version = static_cast<std::uint8_t>(head >> 4);
  const auto bits = static_cast<std::uint32_t>(cursor.take(3));
  const std::uint64_t size = cursor.take_u32();
  if (size == 0) cursor.throw_corrupt("has elements of no bytes");
  const auto kind = static_cast<Class>(head & 0xf);
  if (version < 1 || version > 5) return opaque("a later type", size);
  switch (kind) {
    case Class::kInteger:
      return read_integer(cursor, bits, size);
    case Class::kFloat:
      return read_float(cursor, bits, size);
    case Class::kText:
      return {.dtype = DType::kString, .name = {}, .size = size, .text = Hdf5Type::Text::kFixed};
    case Class::kEnumeration:
      return read_enumeration(cursor, bits, size, version);
    case Class::kVariable:
      if ((bits & 0xf) != 1 || size != 16) return opaque("sequence", size);
      return {.dtype = DType::kString, .name = {}, .size = size, .text = Hdf5Type::Text::kVariable};
    default: {
      const std::size_t index = head & 0xf;
      return opaque(std::string(index < kClassNames.size() ? kClassNames[index] : "unknown"), size);
    }
  }
}

std::optional<Shape> read_hdf5_shape(Hdf5Cursor cursor) {
  constexpr std::uint8_t kMostDimensions = 32;
  constexpr std::uint8_t kNull = 2;
  const std::uint8_t version = cursor.take_version(1, 2);
  const std::uint8_t rank = cursor.take_u8();
  cursor.skip(1);  // whether largest dimensions follow
  const std::uint8_t kind = cursor.take_u8();
  if (version == 1) cursor.skip(4);
  if (version == 2 && kind == kNull) return std::nullopt;
  if (rank > kMostDimensions) cursor.throw_corrupt(fmt::format("has {} dimensions", rank));
  Shape shape;
  for (std::uint8_t i = 0; i < rank; ++i) {
    const std::uint64_t size = cursor.take_u64();
    if (size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      cursor.throw_corrupt(fmt::format("has a dimension of {}", size));
    }
    shape.push_back(static_cast<std::int64_t>(size));
  }
  return shape;
}

std::optional<std::string> build_hdf5_type(const TensorInfo& info) {
  constexpr std::uint8_t kVersion1 = 1 << 4;
  const auto head = [](Class kind, std::uint32_t bits, std::uint64_t size) {
    Hdf5Record record;
    record.add(static_cast<std::uint8_t>(kVersion1 | static_cast<std::uint8_t>(kind)));
    record.add(static_cast<std::uint8_t>(bits)).add(static_cast<std::uint16_t>(bits >> 8));
    return record.add(static_cast<std::uint32_t>(size));
  };
  const auto integer = [&](std::uint64_t bytes, bool is_signed) {
    return head(Class::kInteger, is_signed ? kSigned : 0, bytes)
        .add(std::uint16_t{0})
        .add(static_cast<std::uint16_t>(8 * bytes));
  };
  for (const IntegerForm& form : kIntegers) {
    if (form.dtype == info.dtype) return integer(form.bytes, form.is_signed).text();
  }
  for (const FloatForm& form : kFloats) {
    if (form.dtype != info.dtype) continue;
    const std::uint32_t width = 1U + form.exponent_bits + form.mantissa_bits;
    return head(Class::kFloat, (width - 1) << 8 | kImpliedBit, width / 8)
        .add(std::uint16_t{0})
        .add(static_cast<std::uint16_t>(width))
        .add(form.mantissa_bits)  // where the exponent begins
        .add(form.exponent_bits)
        .add(std::uint8_t{0})
        .add(form.mantissa_bits)
        .add(exponent_bias(form))
        .text();
  }
  if (info.dtype != DType::kBool) return std::nullopt;
  return head(Class::kEnumeration, 2, 1)
      .add_text(integer(1, true).text())
      .add_text(kBoolNames)
      .add(std::uint8_t{0})
      .add(std::uint8_t{1})
      .text();
}

}  // namespace narrow
