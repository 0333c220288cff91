#include "checkpoint/tensorflow/v1/v1_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "checkpoint/tensorflow/tensor_meta.h"
#include "checkpoint/tensorflow/v1/wire_fields.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Fields of SavedTensorSlices, SavedSlice and TensorProto.
constexpr int kSavedSlicesMeta = 1;
constexpr int kSavedSlicesData = 2;
constexpr int kSavedSliceName = 1;
constexpr int kSavedSliceSlice = 2;
constexpr int kSavedSliceData = 3;
constexpr int kTensorContent = 4;
constexpr int kStringValues = 8;

[[noreturn]] void throw_corrupt(const std::string& where, const std::string& problem) {
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{}: {}; fetch or write the checkpoint again", where, problem));
}

// How TensorProto stores the elements of a type.
struct ValueField {
  DType dtype;
  int number;
  std::size_t fixed_bytes;  // of one stored number; 0 for varints
};

constexpr std::array<ValueField, 20> kValueFields = {{
    {DType::kFloat32, 5, 4},     {DType::kFloat64, 6, 8},  {DType::kInt32, 7, 0},
    {DType::kInt16, 7, 0},       {DType::kInt8, 7, 0},     {DType::kUInt8, 7, 0},
    {DType::kUInt16, 7, 0},      {DType::kQInt8, 7, 0},    {DType::kQUInt8, 7, 0},
    {DType::kQInt16, 7, 0},      {DType::kQUInt16, 7, 0},  {DType::kQInt32, 7, 0},
    {DType::kComplex64, 9, 4},   {DType::kInt64, 10, 0},   {DType::kBool, 11, 0},
    {DType::kComplex128, 12, 8}, {DType::kFloat16, 13, 0}, {DType::kBFloat16, 13, 0},
    {DType::kUInt32, 16, 0},     {DType::kUInt64, 17, 0},
}};

const ValueField& value_field(DType dtype, const std::string& where) {
  const auto* field = std::ranges::find(kValueFields, dtype, &ValueField::dtype);
  if (field == kValueFields.end()) {
    throw Error(
        ErrorCategory::kUnsupported,
        fmt::format("{}: TensorFlow V1 checkpoints do not hold {}", where, to_string(dtype)));
  }
  return *field;
}

// Whether `varint` is a value of `dtype`; signed numbers are sign-extended to 64 bits.
bool in_range(std::uint64_t varint, DType dtype) {
  const auto number = std::bit_cast<std::int64_t>(varint);
  const auto is_signed = [&]<typename T>(T) {
    return number >= std::numeric_limits<T>::min() && number <= std::numeric_limits<T>::max();
  };
  switch (dtype) {
    case DType::kInt8:
    case DType::kQInt8:
      return is_signed(std::int8_t{});
    case DType::kInt16:
    case DType::kQInt16:
      return is_signed(std::int16_t{});
    case DType::kInt32:
    case DType::kQInt32:
      return is_signed(std::int32_t{});
    case DType::kBool:
      return varint <= 1;
    default:
      return element_size(dtype) == sizeof(varint) || varint >> (8 * element_size(dtype)) == 0;
  }
}

std::optional<std::string_view> single_field(std::optional<std::string_view> before,
                                             const WireField& field, const std::string& where) {
  if (before || field.type != WireType::kBytes) {
    throw_corrupt(where, "a message has a field twice or of the wrong kind");
  }
  return field.bytes;
}

}  // namespace

std::string_view find_v1_tensor(std::string_view value, const std::string& name,
                                const TensorSlice& slice, const std::string& where) {
  std::optional<std::string_view> data;
  while (const auto field = take_field(&value, where)) {
    if (field->number == kSavedSlicesData) data = single_field(data, *field, where);
    if (field->number == kSavedSlicesMeta) throw_corrupt(where, "metadata lie among the values");
  }
  std::optional<std::string_view> found_name;
  std::optional<std::string_view> found_slice;
  std::optional<std::string_view> tensor;
  std::string_view rest = data.value_or("");
  while (const auto field = take_field(&rest, where)) {
    if (field->number == kSavedSliceName) found_name = single_field(found_name, *field, where);
    if (field->number == kSavedSliceSlice) found_slice = single_field(found_slice, *field, where);
    if (field->number == kSavedSliceData) tensor = single_field(tensor, *field, where);
  }
  tensorflow::TensorSliceProto proto;
  parse_message(found_slice.value_or(""), where, &proto);
  if (found_name.value_or("") != name || slice_from_proto(proto) != slice) {
    throw_corrupt(where, "its place holds the values of another tensor or slice");
  }
  return tensor.value_or("");
}

std::optional<std::uint32_t> v1_value_field(DType dtype) {
  if (dtype == DType::kString) return kStringValues;
  const auto* field = std::ranges::find(kValueFields, dtype, &ValueField::dtype);
  if (field == kValueFields.end()) return std::nullopt;
  return static_cast<std::uint32_t>(field->number);
}

V1ValueDecoder::V1ValueDecoder(std::string_view tensor, DType dtype, std::uint64_t element_count,
                               std::string where)
    : where_(std::move(where)),
      dtype_(dtype),
      element_bytes_(element_size(dtype)),
      undelivered_bytes_(element_count * element_bytes_),
      rest_(tensor) {
  value_field(dtype, where_);
}

void V1ValueDecoder::next_chunk() {
  const ValueField& wanted = value_field(dtype_, where_);
  while (const auto field = take_field(&rest_, where_)) {
    const bool is_content = field->number == kTensorContent;
    if (!is_content && field->number != wanted.number) continue;
    chunk_is_varints_ = !is_content && wanted.fixed_bytes == 0;
    const bool unpacked = chunk_is_varints_         ? field->type == WireType::kVarint
                          : wanted.fixed_bytes == 4 ? field->type == WireType::kFixed32
                                                    : field->type == WireType::kFixed64;
    const bool whole_numbers =
        chunk_is_varints_ || is_content || field->bytes.size() % wanted.fixed_bytes == 0;
    if ((is_content || !unpacked) && (field->type != WireType::kBytes || !whole_numbers)) {
      throw_corrupt(where_, "the values are not of the kind that their type has");
    }
    chunk_ = field->bytes;
    if (!chunk_.empty()) return;
  }
}

void V1ValueDecoder::decode_element() {
  const auto varint = take_varint64(&chunk_, where_);
  if (!in_range(varint, dtype_)) {
    throw_corrupt(where_, fmt::format("the value {} is not a {}", varint, to_string(dtype_)));
  }
  store_le(element_, varint);
  element_left_ = element_bytes_;
}

void V1ValueDecoder::read_varints(std::span<std::byte> out) {
  while (!out.empty() && (element_left_ > 0 || !chunk_.empty())) {
    if (element_left_ == 0) decode_element();
    const std::size_t count = std::min(out.size(), element_left_);
    std::memcpy(out.data(), element_ + element_bytes_ - element_left_, count);
    element_left_ -= count;
    undelivered_bytes_ -= count;
    out = out.subspan(count);
  }
}

void V1ValueDecoder::read(std::span<std::byte> out) {
  if (out.size() > undelivered_bytes_) {
    throw Error(ErrorCategory::kUsage, where_ + ": the tensor was read beyond its last element");
  }
  while (!out.empty()) {
    const std::uint64_t before = undelivered_bytes_;
    if (chunk_.empty() && element_left_ == 0) {
      next_chunk();
      if (chunk_.empty()) {
        throw_corrupt(where_, fmt::format("{} bytes of values are missing", undelivered_bytes_));
      }
    }
    if (chunk_is_varints_) {
      read_varints(out);
    } else {
      const std::size_t count = std::min(out.size(), chunk_.size());
      std::memcpy(out.data(), chunk_.data(), count);
      chunk_.remove_prefix(count);
      undelivered_bytes_ -= count;
    }
    out = out.subspan(before - undelivered_bytes_);
    if (undelivered_bytes_ == 0) check_nothing_follows();
  }
}

void V1ValueDecoder::check_nothing_follows() {
  if (chunk_.empty()) next_chunk();
  if (!chunk_.empty()) throw_corrupt(where_, "more values are stored than its shape has");
}

std::vector<std::string> decode_v1_strings(std::string_view tensor, std::uint64_t element_count,
                                           const std::string& where) {
  std::vector<std::string> values;
  while (const auto field = take_field(&tensor, where)) {
    if (field->number != kStringValues) continue;
    if (field->type != WireType::kBytes) throw_corrupt(where, "a string is of the wrong kind");
    values.emplace_back(field->bytes);
  }
  if (values.size() != element_count) {
    throw_corrupt(where, fmt::format("{} strings are stored, its shape has {}", values.size(),
                                     element_count));
  }
  return values;
}

}  // namespace narrow
