#include "checkpoint/gguf/gguf_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/json_text.h"
#include "base/utf8.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::uint64_t kLongestKey = 65'535;
constexpr std::uint64_t kLongestText = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostShown = 16;
constexpr std::uint64_t kShownOfMany = 4;
constexpr int kDeepest = 8;

// Bytes of a value of a type, or the fewest that one of variable size has.
std::uint64_t least_bytes(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUInt8:
    case GgufValueType::kInt8:
    case GgufValueType::kBool:
      return 1;
    case GgufValueType::kUInt16:
    case GgufValueType::kInt16:
      return 2;
    case GgufValueType::kUInt32:
    case GgufValueType::kInt32:
    case GgufValueType::kFloat32:
      return 4;
    case GgufValueType::kArray:
      return 12;
    default:
      return 8;
  }
}

bool has_fixed_size(GgufValueType type) {
  return type != GgufValueType::kString && type != GgufValueType::kArray;
}

GgufValueType read_type(GgufCursor& cursor) {
  const auto type = cursor.number<std::uint32_t>();
  if (type > static_cast<std::uint32_t>(GgufValueType::kFloat64)) {
    cursor.refuse(fmt::format("{} is not the type of a value", type));
  }
  return static_cast<GgufValueType>(type);
}

template <typename T>
std::string number_text(GgufCursor& cursor) {
  return fmt::format("{}", cursor.number<T>());
}

std::string scalar_text(GgufCursor& cursor, GgufValueType type) {
  switch (type) {
    case GgufValueType::kUInt8:
      return number_text<std::uint8_t>(cursor);
    case GgufValueType::kInt8:
      return number_text<std::int8_t>(cursor);
    case GgufValueType::kUInt16:
      return number_text<std::uint16_t>(cursor);
    case GgufValueType::kInt16:
      return number_text<std::int16_t>(cursor);
    case GgufValueType::kUInt32:
      return number_text<std::uint32_t>(cursor);
    case GgufValueType::kInt32:
      return number_text<std::int32_t>(cursor);
    case GgufValueType::kFloat32:
      return number_text<float>(cursor);
    case GgufValueType::kUInt64:
      return number_text<std::uint64_t>(cursor);
    case GgufValueType::kInt64:
      return number_text<std::int64_t>(cursor);
    case GgufValueType::kFloat64:
      return number_text<double>(cursor);
    default:
      return cursor.number<std::uint8_t>() != 0 ? "true" : "false";
  }
}

std::string value_text(GgufCursor& cursor, GgufValueType type, int depth);

// The elements after the first `shown`.
void skip_elements(GgufCursor& cursor, GgufValueType type, std::uint64_t count, int depth) {
  if (has_fixed_size(type)) {
    cursor.skip(count * least_bytes(type));
    return;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (type == GgufValueType::kString) {
      cursor.text(0);
    } else {
      value_text(cursor, type, depth);
    }
  }
}

std::string array_text(GgufCursor& cursor, int depth) {
  if (depth > kDeepest) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the metadata has arrays in one another deeper than {} at byte {}",
                            kDeepest, cursor.position()));
  }
  const GgufValueType type = read_type(cursor);
  const std::uint64_t count = cursor.count(least_bytes(type), "elements");
  const std::uint64_t shown = count > kMostShown ? kShownOfMany : count;
  std::string text = "[";
  for (std::uint64_t i = 0; i < shown; ++i) {
    std::string element = value_text(cursor, type, depth + 1);
    if (type == GgufValueType::kString) element = dump_any_json(element);
    text += (i == 0 ? "" : ", ") + element;
  }
  skip_elements(cursor, type, count - shown, depth + 1);
  if (shown < count) text += fmt::format(", ... {} in all", count);
  return text + "]";
}

std::string value_text(GgufCursor& cursor, GgufValueType type, int depth) {
  if (type == GgufValueType::kArray) return array_text(cursor, depth);
  if (type != GgufValueType::kString) return scalar_text(cursor, type);
  return replace_invalid_utf8(cursor.text(kLongestText));
}

}  // namespace

GgufEntry read_gguf_entry(GgufCursor& cursor) {
  GgufEntry entry;
  entry.key = cursor.text(kLongestKey + 1);
  if (entry.key.size() > kLongestKey || !is_utf8(entry.key)) {
    cursor.refuse("a key of the metadata is too long or no text");
  }
  entry.type = read_type(cursor);
  entry.begin = cursor.position();
  entry.text = value_text(cursor, entry.type, 1);
  entry.size = cursor.position() - entry.begin;
  return entry;
}

std::optional<std::uint32_t> gguf_number(const GgufEntry& entry) {
  if (entry.type != GgufValueType::kUInt32) return std::nullopt;
  std::uint32_t value = 0;
  std::from_chars(entry.text.data(), entry.text.data() + entry.text.size(), value);
  return value;
}

}  // namespace narrow
