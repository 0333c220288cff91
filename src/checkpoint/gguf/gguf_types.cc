#include "checkpoint/gguf/gguf_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "checkpoint/gguf/gguf_blocks.h"

namespace narrow {
namespace {

constexpr std::string_view kUnknownPrefix = "type ";

constexpr auto kTypes = std::to_array<GgufType>({
    {0, "F32", DType::kFloat32, 1, 4},
    {1, "F16", DType::kFloat16, 1, 2},
    {2, "Q4_0", DType::kFloat32, 32, 18, decode_q4_0},
    {3, "Q4_1", DType::kFloat32, 32, 20, decode_q4_1},
    {6, "Q5_0", DType::kFloat32, 32, 22, decode_q5_0},
    {7, "Q5_1", DType::kFloat32, 32, 24, decode_q5_1},
    {8, "Q8_0", DType::kFloat32, 32, 34, decode_q8_0},
    {10, "Q2_K", DType::kFloat32, 256, 84, decode_q2_k},
    {11, "Q3_K", DType::kFloat32, 256, 110, decode_q3_k},
    {12, "Q4_K", DType::kFloat32, 256, 144, decode_q4_k},
    {13, "Q5_K", DType::kFloat32, 256, 176, decode_q5_k},
    {14, "Q6_K", DType::kFloat32, 256, 210, decode_q6_k},
    {15, "Q8_K", DType::kOpaque, 256, 292},
    {16, "IQ2_XXS", DType::kOpaque, 256, 66},
    {17, "IQ2_XS", DType::kOpaque, 256, 74},
    {18, "IQ3_XXS", DType::kOpaque, 256, 98},
    {19, "IQ1_S", DType::kOpaque, 256, 50},
    {20, "IQ4_NL", DType::kOpaque, 32, 18},
    {21, "IQ3_S", DType::kOpaque, 256, 110},
    {22, "IQ2_S", DType::kOpaque, 256, 82},
    {23, "IQ4_XS", DType::kOpaque, 256, 136},
    {24, "I8", DType::kInt8, 1, 1},
    {25, "I16", DType::kInt16, 1, 2},
    {26, "I32", DType::kInt32, 1, 4},
    {27, "I64", DType::kInt64, 1, 8},
    {28, "F64", DType::kFloat64, 1, 8},
    {29, "IQ1_M", DType::kOpaque, 256, 56},
    {30, "BF16", DType::kBFloat16, 1, 2},
    {34, "TQ1_0", DType::kOpaque, 256, 54},
    {35, "TQ2_0", DType::kOpaque, 256, 66},
    {39, "MXFP4", DType::kOpaque, 32, 17},
    {40, "NVFP4", DType::kOpaque, 64, 36},
    {41, "Q1_0", DType::kOpaque, 128, 18},
});

}  // namespace

const GgufType* find_gguf_type(std::uint32_t id) {
  const auto found = std::ranges::find(kTypes, id, &GgufType::id);
  return found == kTypes.end() ? nullptr : &*found;
}

const GgufType* find_gguf_type(std::string_view name) {
  const auto found = std::ranges::find(kTypes, name, &GgufType::name);
  return found == kTypes.end() ? nullptr : &*found;
}

const GgufType* gguf_type_of(DType dtype) {
  const auto found = std::ranges::find_if(
      kTypes, [&](const GgufType& type) { return type.dtype == dtype && type.block_values == 1; });
  return found == kTypes.end() ? nullptr : &*found;
}

std::string gguf_type_name(std::uint32_t id) {
  const GgufType* type = find_gguf_type(id);
  return type != nullptr ? std::string(type->name) : fmt::format("{}{}", kUnknownPrefix, id);
}

std::optional<std::uint32_t> gguf_type_id(std::string_view name) {
  if (const GgufType* type = find_gguf_type(name)) return type->id;
  if (!name.starts_with(kUnknownPrefix)) return std::nullopt;
  name.remove_prefix(kUnknownPrefix.size());
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return id;
}

}  // namespace narrow
