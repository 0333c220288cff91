#include "checkpoint/container/safetensors_types.h"

#include <array>
#include <utility>

namespace narrow {
namespace {

constexpr std::array<std::pair<DType, std::string_view>, 16> kTypeNames = {{
    {DType::kBool, "BOOL"},
    {DType::kUInt8, "U8"},
    {DType::kInt8, "I8"},
    {DType::kInt16, "I16"},
    {DType::kUInt16, "U16"},
    {DType::kFloat16, "F16"},
    {DType::kBFloat16, "BF16"},
    {DType::kInt32, "I32"},
    {DType::kUInt32, "U32"},
    {DType::kFloat32, "F32"},
    {DType::kFloat64, "F64"},
    {DType::kInt64, "I64"},
    {DType::kUInt64, "U64"},
    {DType::kFloat8E4M3, "F8_E4M3"},
    {DType::kFloat8E5M2, "F8_E5M2"},
    {DType::kComplex64, "C64"},
}};

}  // namespace

std::optional<std::string> safetensors_type_name(const TensorInfo& info) {
  if (info.dtype == DType::kOpaque) {
    if (info.opaque.family != OpaqueType::Family::kSafetensors) return std::nullopt;
    return info.opaque.name;
  }
  for (const auto& [type, name] : kTypeNames) {
    if (type == info.dtype) return std::string(name);
  }
  return std::nullopt;
}

void set_safetensors_type(std::string_view name, TensorInfo* info) {
  for (const auto& [type, known] : kTypeNames) {
    if (known != name) continue;
    info->dtype = type;
    return;
  }
  info->dtype = DType::kOpaque;
  info->opaque = {.family = OpaqueType::Family::kSafetensors, .name = std::string(name)};
}

}  // namespace narrow
