#include "model/onnx/onnx_elements.h"

#include <fmt/format.h>

#include <array>
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

}  // namespace

SmallType small_type_of_onnx(std::int32_t data_type) {
  switch (data_type) {
    case onnx::TensorProto::FLOAT8E4M3FN:
      return SmallType::kFloat8E4M3Fn;
    case onnx::TensorProto::FLOAT8E4M3FNUZ:
      return SmallType::kFloat8E4M3Fnuz;
    case onnx::TensorProto::FLOAT8E5M2:
      return SmallType::kFloat8E5M2;
    case onnx::TensorProto::FLOAT8E5M2FNUZ:
      return SmallType::kFloat8E5M2Fnuz;
    case onnx::TensorProto::UINT4:
      return SmallType::kUInt4;
    case onnx::TensorProto::INT4:
      return SmallType::kInt4;
    case onnx::TensorProto::FLOAT4E2M1:
      return SmallType::kFloat4E2M1;
    case onnx::TensorProto::FLOAT8E8M0:
      return SmallType::kFloat8E8M0;
    case onnx::TensorProto::UINT2:
      return SmallType::kUInt2;
    case onnx::TensorProto::INT2:
      return SmallType::kInt2;
    default:
      return SmallType::kNone;
  }
}

DType dtype_of_onnx(std::int32_t data_type) {
  const SmallType small = small_type_of_onnx(data_type);
  if (small != SmallType::kNone) return holder_of(small);
  switch (data_type) {
    case onnx::TensorProto::FLOAT:
      return DType::kFloat32;
    case onnx::TensorProto::DOUBLE:
      return DType::kFloat64;
    case onnx::TensorProto::FLOAT16:
      return DType::kFloat16;
    case onnx::TensorProto::BFLOAT16:
      return DType::kBFloat16;
    case onnx::TensorProto::INT8:
      return DType::kInt8;
    case onnx::TensorProto::INT16:
      return DType::kInt16;
    case onnx::TensorProto::INT32:
      return DType::kInt32;
    case onnx::TensorProto::INT64:
      return DType::kInt64;
    case onnx::TensorProto::UINT8:
      return DType::kUInt8;
    case onnx::TensorProto::UINT16:
      return DType::kUInt16;
    case onnx::TensorProto::UINT32:
      return DType::kUInt32;
    case onnx::TensorProto::UINT64:
      return DType::kUInt64;
    case onnx::TensorProto::BOOL:
      return DType::kBool;
    default:
      break;
  }
  const auto type = static_cast<onnx::TensorProto::DataType>(data_type);
  const std::string name = onnx::TensorProto::DataType_IsValid(data_type)
                               ? onnx::TensorProto::DataType_Name(type)
                               : std::to_string(data_type);
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("values of ONNX's type {} cannot be computed with", name));
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
