#include "checkpoint/pytorch/pytorch_types.h"

#include <algorithm>
#include <array>

namespace narrow {
namespace {

constexpr auto kTypes = std::to_array<PytorchType>({
    {"float64", "DoubleStorage", DType::kFloat64, 8},
    {"float32", "FloatStorage", DType::kFloat32, 4},
    {"float16", "HalfStorage", DType::kFloat16, 2},
    {"bfloat16", "BFloat16Storage", DType::kBFloat16, 2},
    {"int64", "LongStorage", DType::kInt64, 8},
    {"int32", "IntStorage", DType::kInt32, 4},
    {"int16", "ShortStorage", DType::kInt16, 2},
    {"int8", "CharStorage", DType::kInt8, 1},
    {"uint8", "ByteStorage", DType::kUInt8, 1},
    {"bool", "BoolStorage", DType::kBool, 1},
    {"complex128", "ComplexDoubleStorage", DType::kComplex128, 16},
    {"complex64", "ComplexFloatStorage", DType::kComplex64, 8},
    {"float8_e4m3fn", "", DType::kFloat8E4M3, 1},
    {"float8_e5m2", "", DType::kFloat8E5M2, 1},
    {"uint16", "", DType::kUInt16, 2},
    {"uint32", "", DType::kUInt32, 4},
    {"uint64", "", DType::kUInt64, 8},
    {"complex32", "", DType::kOpaque, 4},
    {"float8_e4m3fnuz", "", DType::kOpaque, 1},
    {"float8_e5m2fnuz", "", DType::kOpaque, 1},
    {"float8_e8m0fnu", "", DType::kOpaque, 1},
    {"float4_e2m1fn_x2", "", DType::kOpaque, 1},
    {"bits8", "", DType::kOpaque, 1},
    {"bits16", "", DType::kOpaque, 2},
    {"bits1x8", "", DType::kOpaque, 1},
    {"bits2x4", "", DType::kOpaque, 1},
    {"bits4x2", "", DType::kOpaque, 1},
    // Quantized tensors: what scale the codes have is not read.
    {"qint8", "QInt8Storage", DType::kOpaque, 1},
    {"quint8", "QUInt8Storage", DType::kOpaque, 1},
    {"qint32", "QInt32Storage", DType::kOpaque, 4},
    {"quint4x2", "QUInt4x2Storage", DType::kOpaque, 1},
    {"quint2x4", "QUInt2x4Storage", DType::kOpaque, 1},
});

constexpr PytorchType kUntyped = {"uint8", "UntypedStorage", DType::kUInt8, 1};

template <typename Predicate>
const PytorchType* find_type(Predicate predicate) {
  const auto* found = std::ranges::find_if(kTypes, predicate);
  return found == kTypes.end() ? nullptr : found;
}

}  // namespace

const PytorchType* pytorch_type_of_storage(std::string_view storage_class) {
  if (storage_class == kUntyped.storage_class) return &kUntyped;
  if (storage_class.empty()) return nullptr;
  return find_type([&](const PytorchType& type) { return type.storage_class == storage_class; });
}

const PytorchType* pytorch_type_named(std::string_view name) {
  return find_type([&](const PytorchType& type) { return type.name == name; });
}

const PytorchType* pytorch_type_of(const TensorInfo& info) {
  if (info.dtype != DType::kOpaque) {
    return find_type([&](const PytorchType& type) { return type.dtype == info.dtype; });
  }
  if (info.opaque.family != OpaqueType::Family::kPyTorch) return nullptr;
  const PytorchType* type = pytorch_type_named(info.opaque.name);
  return type != nullptr && type->storage_class.empty() ? type : nullptr;
}

}  // namespace narrow
