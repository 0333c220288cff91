#include "checkpoint/tensorflow/tensor_meta.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

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

}  // namespace

int tensorflow_number(DType dtype) {
  return std::ranges::find(kTypeNumbers, dtype, &TypeNumber::dtype)->number;
}

DType dtype_from_number(int number, const std::string& where) {
  const auto* row = std::ranges::find(kTypeNumbers, number, &TypeNumber::number);
  if (row == kTypeNumbers.end()) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{}: values of TensorFlow's type number {} cannot be read: save the "
                            "checkpoint without this variable",
                            where, number));
  }
  return row->dtype;
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
    throw Error(error.category(), fmt::format("{}: {}", where, error.what()));
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
