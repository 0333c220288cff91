#include "model/onnx/onnx_elements.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "graph/constants.h"
#include "model/onnx/import_onnx.h"
#include "narrow/error.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

// The low bytes of each number, as many as an element has.
template <typename Numbers>
std::vector<std::byte> low_bytes(const Numbers& numbers, std::size_t element_bytes) {
  std::vector<std::byte> bytes;
  bytes.reserve(static_cast<std::size_t>(numbers.size()) * element_bytes);
  for (const auto number : numbers) {
    for (std::size_t i = 0; i < element_bytes; ++i) {
      bytes.push_back(static_cast<std::byte>(static_cast<std::uint64_t>(number) >> (8 * i)));
    }
  }
  return bytes;
}

template <typename Numbers>
std::vector<std::byte> memory_of(const Numbers& numbers) {
  const auto* const begin = reinterpret_cast<const std::byte*>(numbers.data());
  return {begin, begin + sizeof(*numbers.data()) * static_cast<std::size_t>(numbers.size())};
}

std::vector<std::byte> bytes_of(const onnx::TensorProto& tensor, DType type) {
  if (tensor.has_raw_data()) {
    const auto* const begin = reinterpret_cast<const std::byte*>(tensor.raw_data().data());
    return {begin, begin + tensor.raw_data().size()};
  }
  switch (type) {
    case DType::kFloat32:
      return memory_of(tensor.float_data());
    case DType::kFloat64:
      return memory_of(tensor.double_data());
    case DType::kInt64:
      return memory_of(tensor.int64_data());
    case DType::kUInt64:
    case DType::kUInt32:
      return low_bytes(tensor.uint64_data(), element_size(type));
    default:
      return low_bytes(tensor.int32_data(), element_size(type));
  }
}

// Codes of a small type, the first one of a byte in its lowest bits, as values of the type that
// holds them.
std::vector<std::byte> unpacked(SmallType type, std::span<const std::byte> bytes,
                                std::uint64_t count) {
  const unsigned bits = bits_of(type);
  const unsigned in_byte = 8 / bits;
  if (bytes.size() != count / in_byte + (count % in_byte != 0 ? 1 : 0)) {
    throw Error(ErrorCategory::kCorrupt, fmt::format("{} bytes for {} values of the type {}",
                                                     bytes.size(), count, to_string(type)));
  }
  const DType holder = holder_of(type);
  std::vector<std::byte> result;
  result.reserve(count * element_size(holder));
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto shift = static_cast<unsigned>(i % in_byte) * bits;
    const auto code = static_cast<std::uint8_t>(
        std::to_integer<unsigned>(bytes[i / in_byte] >> shift) & ((1U << bits) - 1));
    const std::vector<std::byte> element =
        is_integer(holder) ? encode_integers(holder, std::array{wrap_small(type, code)})
                           : encode_reals(holder, std::array{small_value(type, code)});
    result.insert(result.end(), element.begin(), element.end());
  }
  return result;
}

// The lowest code of a value, which the type has.
std::uint8_t code_of(SmallType type, double value) {
  const unsigned count = 1U << bits_of(type);
  for (unsigned code = 0; code < count; ++code) {
    const double of_code = small_value(type, static_cast<std::uint8_t>(code));
    const bool is_same = of_code == value && std::signbit(of_code) == std::signbit(value);
    if (is_same || (std::isnan(of_code) && std::isnan(value))) {
      return static_cast<std::uint8_t>(code);
    }
  }
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} is no value of the type {}", value, to_string(type)));
}

// The opposite of unpacked().
std::string packed(SmallType type, const Constant& constant) {
  const unsigned bits = bits_of(type);
  std::vector<std::uint8_t> codes;
  if (is_integer(constant.type)) {
    for (const std::int64_t value : decode_integers(constant.type, constant.bytes)) {
      codes.push_back(static_cast<std::uint8_t>(value & ((1 << bits) - 1)));
    }
  } else {
    for (const double value : decode_reals(constant.type, constant.bytes)) {
      codes.push_back(code_of(type, value));
    }
  }
  const unsigned in_byte = 8 / bits;
  std::string bytes((codes.size() + in_byte - 1) / in_byte, '\0');
  for (std::size_t i = 0; i < codes.size(); ++i) {
    char& byte = bytes[i / in_byte];
    byte = static_cast<char>(byte | codes[i] << (i % in_byte * bits));
  }
  return bytes;
}

struct TypeRow {
  std::int32_t data_type = 0;
  DType type = DType::kFloat32;
};
constexpr std::array kTypes = std::to_array<TypeRow>({
    {onnx::TensorProto::FLOAT, DType::kFloat32},
    {onnx::TensorProto::DOUBLE, DType::kFloat64},
    {onnx::TensorProto::FLOAT16, DType::kFloat16},
    {onnx::TensorProto::BFLOAT16, DType::kBFloat16},
    {onnx::TensorProto::INT8, DType::kInt8},
    {onnx::TensorProto::INT16, DType::kInt16},
    {onnx::TensorProto::INT32, DType::kInt32},
    {onnx::TensorProto::INT64, DType::kInt64},
    {onnx::TensorProto::UINT8, DType::kUInt8},
    {onnx::TensorProto::UINT16, DType::kUInt16},
    {onnx::TensorProto::UINT32, DType::kUInt32},
    {onnx::TensorProto::UINT64, DType::kUInt64},
    {onnx::TensorProto::BOOL, DType::kBool},
});

struct SmallTypeRow {
  std::int32_t data_type = 0;
  SmallType type = SmallType::kNone;
};
constexpr std::array kSmallTypes = std::to_array<SmallTypeRow>({
    {onnx::TensorProto::FLOAT8E4M3FN, SmallType::kFloat8E4M3Fn},
    {onnx::TensorProto::FLOAT8E4M3FNUZ, SmallType::kFloat8E4M3Fnuz},
    {onnx::TensorProto::FLOAT8E5M2, SmallType::kFloat8E5M2},
    {onnx::TensorProto::FLOAT8E5M2FNUZ, SmallType::kFloat8E5M2Fnuz},
    {onnx::TensorProto::UINT4, SmallType::kUInt4},
    {onnx::TensorProto::INT4, SmallType::kInt4},
    {onnx::TensorProto::FLOAT4E2M1, SmallType::kFloat4E2M1},
    {onnx::TensorProto::FLOAT8E8M0, SmallType::kFloat8E8M0},
    {onnx::TensorProto::UINT2, SmallType::kUInt2},
    {onnx::TensorProto::INT2, SmallType::kInt2},
});

}  // namespace

SmallType small_type_of_onnx(std::int32_t data_type) {
  const auto* const found = std::ranges::find(kSmallTypes, data_type, &SmallTypeRow::data_type);
  return found == kSmallTypes.end() ? SmallType::kNone : found->type;
}

std::int32_t onnx_type_of(DType type, SmallType small) {
  const auto* const of_small = std::ranges::find(kSmallTypes, small, &SmallTypeRow::type);
  if (of_small != kSmallTypes.end()) return of_small->data_type;
  const auto* const found = std::ranges::find(kTypes, type, &TypeRow::type);
  if (found != kTypes.end()) return found->data_type;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("values of type {} have no place in an ONNX graph", to_string(type)));
}

DType dtype_of_onnx(std::int32_t data_type) {
  const SmallType small = small_type_of_onnx(data_type);
  if (small != SmallType::kNone) return holder_of(small);
  const auto* const found = std::ranges::find(kTypes, data_type, &TypeRow::data_type);
  if (found != kTypes.end()) return found->type;
  const auto type = static_cast<onnx::TensorProto::DataType>(data_type);
  const std::string name = onnx::TensorProto::DataType_IsValid(data_type)
                               ? onnx::TensorProto::DataType_Name(type)
                               : std::to_string(data_type);
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("values of ONNX's type {} cannot be computed with", name));
}

onnx::TensorProto onnx_tensor(const std::string& name, const Constant& constant, SmallType small) {
  onnx::TensorProto tensor;
  if (!name.empty()) tensor.set_name(name);
  tensor.set_data_type(onnx_type_of(constant.type, small));
  for (const std::int64_t size : constant.shape) tensor.add_dims(size);
  if (small != SmallType::kNone) {
    tensor.set_raw_data(packed(small, constant));
  } else {
    const auto* const text = reinterpret_cast<const char*>(constant.bytes.data());
    tensor.set_raw_data(std::string(text, constant.bytes.size()));
  }
  return tensor;
}

Shape shape_of_onnx(const onnx::TensorProto& tensor) {
  Shape shape(tensor.dims().begin(), tensor.dims().end());
  element_count(shape);
  return shape;
}

Constant read_onnx_tensor(const onnx::TensorProto& tensor) {
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the values of {} are in another file, expected them in the model",
                            tensor.name()));
  }
  const DType type = dtype_of_onnx(tensor.data_type());
  const SmallType small = small_type_of_onnx(tensor.data_type());
  Constant constant = {type, shape_of_onnx(tensor), {}};
  if (small == SmallType::kNone) {
    constant.bytes = bytes_of(tensor, type);
  } else {
    const std::uint64_t count = element_count(constant.shape);
    if (count > kMostConstantBytes) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{} codes of the type {}, expected at most {}", count,
                              to_string(small), kMostConstantBytes));
    }
    constant.bytes = unpacked(small, bytes_of(tensor, DType::kUInt8), count);
  }
  check(constant);
  return constant;
}

}  // namespace narrow
