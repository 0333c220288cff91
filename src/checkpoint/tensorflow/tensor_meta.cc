#include "checkpoint/tensorflow/tensor_meta.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kReaderVersion = 1;

struct TypeNumber {
  DType dtype;
  int number;
};

constexpr std::array<TypeNumber, 23> kTypeNumbers = {{
    {DType::kFloat32, 1},     {DType::kFloat64, 2},     {DType::kInt32, 3},
    {DType::kUInt8, 4},       {DType::kInt16, 5},       {DType::kInt8, 6},
    {DType::kString, 7},      {DType::kComplex64, 8},   {DType::kInt64, 9},
    {DType::kBool, 10},       {DType::kQInt8, 11},      {DType::kQUInt8, 12},
    {DType::kQInt32, 13},     {DType::kBFloat16, 14},   {DType::kQInt16, 15},
    {DType::kQUInt16, 16},    {DType::kUInt16, 17},     {DType::kComplex128, 18},
    {DType::kFloat16, 19},    {DType::kUInt32, 22},     {DType::kUInt64, 23},
    {DType::kFloat8E5M2, 24}, {DType::kFloat8E4M3, 25},
}};

struct OpaqueNumber {
  int number;
  std::string_view name;
};

constexpr int kVariantNumber = 21;
// What else types.proto has; any other number may come: TensorFlow grows.
constexpr std::array<OpaqueNumber, 10> kOpaqueNumbers = {{
    {20, "resource"},
    {kVariantNumber, "variant"},
    {26, "float8_e4m3fnuz"},
    {27, "float8_e4m3b11fnuz"},
    {28, "float8_e5m2fnuz"},
    {29, "int4"},
    {30, "uint4"},
    {31, "int2"},
    {32, "uint2"},
    {33, "float4_e2m1fn"},
}};
constexpr std::string_view kUnknownType = "type number ";

std::string opaque_name(int number) {
  const auto* row = std::ranges::find(kOpaqueNumbers, number, &OpaqueNumber::number);
  if (row != kOpaqueNumbers.end()) return std::string(row->name);
  return fmt::format("{}{}", kUnknownType, number);
}

std::optional<int> opaque_number(std::string_view name) {
  const auto* row = std::ranges::find(kOpaqueNumbers, name, &OpaqueNumber::name);
  if (row != kOpaqueNumbers.end()) return row->number;
  if (!name.starts_with(kUnknownType)) return std::nullopt;
  name.remove_prefix(kUnknownType.size());
  int number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<int> tensorflow_number(const TensorInfo& info) {
  if (info.dtype != DType::kOpaque) {
    return std::ranges::find(kTypeNumbers, info.dtype, &TypeNumber::dtype)->number;
  }
  if (info.opaque.family != OpaqueType::Family::kTensorFlow) return std::nullopt;
  return opaque_number(info.opaque.name);
}

bool is_variant(const TensorInfo& info) {
  return info.dtype == DType::kOpaque && tensorflow_number(info) == kVariantNumber;
}

void set_tensorflow_type(int number, const std::string& where, TensorInfo* info) {
  if (number <= 0) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{}: {} is not the number of a type: the file is damaged; fetch or "
                            "write it again",
                            where, number));
  }
  const auto* row = std::ranges::find(kTypeNumbers, number, &TypeNumber::number);
  if (row != kTypeNumbers.end()) {
    info->dtype = row->dtype;
    return;
  }
  info->dtype = DType::kOpaque;
  info->opaque = {.family = OpaqueType::Family::kTensorFlow, .name = opaque_name(number)};
}

Shape shape_from_proto(const tensorflow::TensorShapeProto& proto, DType dtype,
                       const std::string& where) {
  // TensorFlow's own limit; it keeps a hostile file from asking for quadratic work.
  constexpr int kMaxRank = 254;
  if (proto.unknown_rank() || proto.dim_size() > kMaxRank) {
    throw Error(
        ErrorCategory::kCorrupt,
        fmt::format("{}: the tensor has {}, a stored tensor has at most {} dimensions", where,
                    proto.unknown_rank() ? "an unknown shape"
                                         : fmt::format("{} dimensions", proto.dim_size()),
                    kMaxRank));
  }
  TensorInfo info{.name = {}, .dtype = dtype, .shape = {}};
  for (const auto& dim : proto.dim()) info.shape.push_back(dim.size());
  try {
    // Strings have no byte size of their own, but a count all the same.
    if (element_count(info.shape) > 0) static_cast<void>(info.byte_size());
  } catch (const Error& error) {
    throw Error(error.category(), fmt::format("{}: {}", where, error.what()), error.remedy());
  }
  return info.shape;
}

TensorSlice slice_from_proto(const tensorflow::TensorSliceProto& proto) {
  TensorSlice slice;
  for (const auto& extent : proto.extent()) {
    slice.push_back(
        Extent{.start = extent.start(),
               .length = extent.has_length() ? std::optional(extent.length()) : std::nullopt});
  }
  return slice;
}

void check_version(const tensorflow::VersionDef& version, const std::string& where) {
  const auto& bad = version.bad_consumers();
  if (version.min_consumer() <= kReaderVersion &&
      std::ranges::find(bad, kReaderVersion) == bad.end()) {
    return;
  }
  throw Error(
      ErrorCategory::kUnsupported,
      fmt::format("{}: the checkpoint asks for a reader of version {} or later, this one has "
                  "version {}: save it with an older TensorFlow",
                  where, std::max(version.min_consumer(), kReaderVersion + 1), kReaderVersion));
}

void throw_not_a_message(const std::string& where) {
  throw Error(
      ErrorCategory::kCorrupt,
      where + ": the entry is not the message that belongs there; fetch or write the file again");
}

}  // namespace narrow
