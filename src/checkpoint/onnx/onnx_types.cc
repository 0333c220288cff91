#include "checkpoint/onnx/onnx_types.h"

#include <algorithm>
#include <array>

namespace narrow {
namespace {

constexpr std::array kTypes = std::to_array<OnnxType>({
    {1, "FLOAT", DType::kFloat32, 32, OnnxField::kFloat},
    {2, "UINT8", DType::kUInt8, 8, OnnxField::kInt32},
    {3, "INT8", DType::kInt8, 8, OnnxField::kInt32, true},
    {4, "UINT16", DType::kUInt16, 16, OnnxField::kInt32},
    {5, "INT16", DType::kInt16, 16, OnnxField::kInt32, true},
    {6, "INT32", DType::kInt32, 32, OnnxField::kInt32, true},
    {7, "INT64", DType::kInt64, 64, OnnxField::kInt64, true},
    {8, "STRING", DType::kString, 0, OnnxField::kString},
    {9, "BOOL", DType::kBool, 8, OnnxField::kInt32},
    {10, "FLOAT16", DType::kFloat16, 16, OnnxField::kInt32},
    {11, "DOUBLE", DType::kFloat64, 64, OnnxField::kDouble},
    {12, "UINT32", DType::kUInt32, 32, OnnxField::kUInt64},
    {13, "UINT64", DType::kUInt64, 64, OnnxField::kUInt64},
    {14, "COMPLEX64", DType::kComplex64, 64, OnnxField::kFloat},
    {15, "COMPLEX128", DType::kComplex128, 128, OnnxField::kDouble},
    {16, "BFLOAT16", DType::kBFloat16, 16, OnnxField::kInt32},
    {17, "FLOAT8E4M3FN", DType::kFloat8E4M3, 8, OnnxField::kInt32},
    {18, "FLOAT8E4M3FNUZ", DType::kOpaque, 8, OnnxField::kInt32},
    {19, "FLOAT8E5M2", DType::kFloat8E5M2, 8, OnnxField::kInt32},
    {20, "FLOAT8E5M2FNUZ", DType::kOpaque, 8, OnnxField::kInt32},
    {21, "UINT4", DType::kOpaque, 4, OnnxField::kInt32},
    {22, "INT4", DType::kOpaque, 4, OnnxField::kInt32},
    {23, "FLOAT4E2M1", DType::kOpaque, 4, OnnxField::kInt32},
    {24, "FLOAT8E8M0", DType::kOpaque, 8, OnnxField::kInt32},
    {25, "UINT2", DType::kOpaque, 2, OnnxField::kInt32},
    {26, "INT2", DType::kOpaque, 2, OnnxField::kInt32},
});

}  // namespace

unsigned OnnxType::entry_bytes() const {
  switch (field) {
    case OnnxField::kFloat:
      return sizeof(float);
    case OnnxField::kDouble:
      return sizeof(double);
    default:
      return std::max(bits / 8, 1U);
  }
}

const OnnxType* find_onnx_type(std::int64_t number) {
  const auto* const found = std::ranges::find(kTypes, number, &OnnxType::number);
  return found == kTypes.end() ? nullptr : found;
}

std::string_view to_string(OnnxField field) {
  switch (field) {
    case OnnxField::kNone:
      break;
    case OnnxField::kFloat:
      return "float_data";
    case OnnxField::kInt32:
      return "int32_data";
    case OnnxField::kString:
      return "string_data";
    case OnnxField::kInt64:
      return "int64_data";
    case OnnxField::kRaw:
      return "raw_data";
    case OnnxField::kDouble:
      return "double_data";
    case OnnxField::kUInt64:
      return "uint64_data";
  }
  return "no field";
}

}  // namespace narrow
