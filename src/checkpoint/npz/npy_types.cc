#include "checkpoint/npz/npy_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/checked.h"
#include "checkpoint/container/cannot_hold.h"
#include "narrow/error.h"

namespace narrow {
namespace {

struct NumpyType {
  std::string_view code;  // without byte order
  DType dtype;
  bool has_byte_order;
};

constexpr std::array<NumpyType, 14> kNumpyTypes = {{
    {"b1", DType::kBool, false},
    {"i1", DType::kInt8, false},
    {"i2", DType::kInt16, true},
    {"i4", DType::kInt32, true},
    {"i8", DType::kInt64, true},
    {"u1", DType::kUInt8, false},
    {"u2", DType::kUInt16, true},
    {"u4", DType::kUInt32, true},
    {"u8", DType::kUInt64, true},
    {"f2", DType::kFloat16, true},
    {"f4", DType::kFloat32, true},
    {"f8", DType::kFloat64, true},
    {"c8", DType::kComplex64, true},
    {"c16", DType::kComplex128, true},
}};

constexpr std::string_view kByteOrders = "<>|=";
// Letters of opaque types that are followed by the bytes of an element.
constexpr std::string_view kCountsBytes = "SaVbiufc";

bool is_structured(std::string_view descr) {
  return descr.starts_with('[') || descr.starts_with('(');
}

// Bytes of one element of a type that is not computed with, by what follows its byte order; nothing
// where that does not say, as for objects, which are pickled.
std::optional<std::uint64_t> opaque_item_bytes(std::string_view code) {
  constexpr std::uint64_t kDateBytes = 8;
  constexpr std::uint64_t kCharacterBytes = 4;
  if (code.front() == 'M' || code.front() == 'm') return kDateBytes;
  std::uint32_t count = 0;
  const char* end = code.data() + code.size();
  const auto [stop, error] = std::from_chars(code.data() + 1, end, count);
  if (error != std::errc() || stop != end) return std::nullopt;
  if (code.front() == 'U') return kCharacterBytes * count;
  if (kCountsBytes.find(code.front()) != std::string_view::npos) return count;
  return std::nullopt;
}

// A letter, then digits, and of dates a unit: U7, O, M8[25s].
bool is_opaque_code(std::string_view code) {
  constexpr std::size_t kLongest = 64;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_allowed = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '[' || c == ']' || c == '/';
  };
  if (code.empty() || code.size() > kLongest || !is_letter(code.front())) return false;
  const bool counts = kCountsBytes.find(code.front()) != std::string_view::npos;
  return std::ranges::all_of(code, is_allowed) && (!counts || opaque_item_bytes(code).has_value());
}

}  // namespace

void set_npy_type(const NpyLiteral& fields, const std::string& where, NpyHeader* header) {
  const std::string_view descr = fields.descr;
  if (!fields.is_structured) {
    const bool has_order =
        !descr.empty() && kByteOrders.find(descr.front()) != std::string_view::npos;
    const std::string_view code = has_order ? descr.substr(1) : "";
    const auto* number = std::ranges::find(kNumpyTypes, code, &NumpyType::code);
    const bool is_number = number != kNumpyTypes.end();
    if (is_number && !(number->has_byte_order && descr.front() == '|')) {
      header->dtype = number->dtype;
      header->big_endian = number->has_byte_order && descr.front() == '>';
      return;
    }
    if (is_number || !is_opaque_code(code)) {
      throw Error(
          ErrorCategory::kUnsupported,
          fmt::format("{} holds elements of NumPy type {}, which this program does not know", where,
                      descr.substr(0, 100)));
    }
  }
  header->dtype = DType::kOpaque;
  header->opaque = {.family = OpaqueType::Family::kNumpy,
                    .name = fields.descr,
                    .column_major = fields.fortran_order};
}

std::uint64_t npy_value_bytes(const TensorInfo& info) {
  const std::uint64_t elements = element_count(info.shape);
  if (info.dtype != DType::kOpaque) return info.byte_size();
  const std::string_view name = info.opaque.name;
  std::optional<std::uint64_t> item_bytes;
  if (!is_structured(name)) {
    item_bytes = opaque_item_bytes(name.substr(1));
  } else if (name.find('O') == std::string_view::npos) {
    // No objects among the fields, so that the elements are equally large.
    item_bytes = elements == 0 ? 0 : info.opaque.byte_size / elements;
  }
  std::uint64_t bytes = info.opaque.byte_size;
  if (item_bytes.has_value() && !checked_mul(elements, *item_bytes, &bytes)) {
    throw Error(ErrorCategory::kCorrupt, "an array has more bytes than can be counted");
  }
  return bytes;
}

std::string npy_descr(const TensorInfo& info) {
  if (info.dtype == DType::kOpaque && info.opaque.family == OpaqueType::Family::kNumpy) {
    return is_structured(info.opaque.name) ? info.opaque.name : "'" + info.opaque.name + "'";
  }
  const auto* type = std::ranges::find(kNumpyTypes, info.dtype, &NumpyType::dtype);
  if (type == kNumpyTypes.end()) throw_cannot_hold("a NumPy file", info);
  return fmt::format("'{}{}'", type->has_byte_order ? '<' : '|', type->code);
}

}  // namespace narrow
