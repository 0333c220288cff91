#include "quant/scheme_json.h"

#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json.hpp>

#include "narrow/error.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

[[noreturn]] void refuse(const std::string& where, const std::string& problem) {
  throw Error(ErrorCategory::kCorrupt, fmt::format("{} {}", where, problem));
}

std::string text_of(const ordered_json& object, const char* key, const std::string& where) {
  const auto member = object.find(key);
  if (member == object.end()) refuse(where, fmt::format("lacks \"{}\"", key));
  if (!member->is_string()) refuse(where, fmt::format("has a \"{}\" that is no text", key));
  return member->get<std::string>();
}

int small_integer(const ordered_json& number, const char* key, const std::string& where) {
  constexpr std::int64_t kLargest = 1 << 16;
  const bool is_small = number.is_number_unsigned()
                            ? number.get<std::uint64_t>() <= kLargest
                            : number.is_number_integer() && number.get<std::int64_t>() >= -kLargest;
  if (!is_small) refuse(where, fmt::format("has a \"{}\" that is no small whole number", key));
  return number.get<int>();
}

int integer_of(const ordered_json& object, const char* key, const std::string& where) {
  const auto member = object.find(key);
  if (member == object.end()) refuse(where, fmt::format("lacks \"{}\"", key));
  return small_integer(*member, key, where);
}

// A number, or the list of adjacent axes that are the channels together.
ordered_json axis_json(const Granularity& granularity) {
  if (granularity.axis_count == 1) return *granularity.axis;
  ordered_json axes = ordered_json::array();
  for (int i = 0; i < granularity.axis_count; ++i) axes.push_back(*granularity.axis + i);
  return axes;
}

void read_axis(const ordered_json& object, const std::string& where, Granularity& granularity) {
  const ordered_json& axis = object.at("axis");
  if (!axis.is_array()) {
    granularity.axis = small_integer(axis, "axis", where);
    return;
  }
  const int first = axis.empty() ? 0 : small_integer(axis.front(), "axis", where);
  int next = first;
  for (const ordered_json& one : axis) {
    if (small_integer(one, "axis", where) == next++ && (first < 0) == (next <= 0)) continue;
    refuse(where, "has a list \"axis\" that does not hold adjacent axes in order");
  }
  if (axis.empty()) refuse(where, "has an empty list \"axis\"");
  granularity.axis = first;
  granularity.axis_count = static_cast<int>(axis.size());
}

// What is not the default: files without formats read as before.
void add_format(const FixedFormat& format, ordered_json& json) {
  const FixedFormat fitted;
  if (format.fraction_bits) json["fraction_bits"] = *format.fraction_bits;
  if (format.always_signed) json["signed"] = "always";
  if (format.round_mode != fitted.round_mode) json["round_mode"] = to_string(format.round_mode);
  if (format.overflow != fitted.overflow) json["overflow"] = to_string(format.overflow);
}

FixedFormat format_of(const ordered_json& object, const std::string& where) {
  FixedFormat format;
  if (object.contains("fraction_bits")) {
    format.fraction_bits = integer_of(object, "fraction_bits", where);
  }
  if (object.contains("signed")) {
    format.always_signed = parse_always_signed(text_of(object, "signed", where));
  }
  if (object.contains("round_mode")) {
    format.round_mode = parse_round_mode(text_of(object, "round_mode", where));
  }
  if (object.contains("overflow")) {
    format.overflow = parse_overflow(text_of(object, "overflow", where));
  }
  return format;
}

Scaling scaling_of(const ordered_json& object, const std::string& where) {
  const std::string scaling = text_of(object, "scaling", where);
  if (scaling != "binary" && scaling != "decimal") {
    refuse(where, "has a \"scaling\" that is neither binary nor decimal");
  }
  return scaling == "binary" ? Scaling::kBinary : Scaling::kDecimal;
}

}  // namespace

ordered_json scheme_json(const Scheme& scheme) {
  ordered_json json = {{"scheme", to_string(scheme.kind)}, {"bits", scheme.bits}};
  if (scheme.kind == SchemeKind::kFixedPoint) {
    json["scaling"] = scheme.scaling == Scaling::kBinary ? "binary" : "decimal";
  }
  add_format(scheme.format, json);
  json["granularity"] = to_string(scheme.granularity);
  if (scheme.granularity.axis) json["axis"] = axis_json(scheme.granularity);
  if (takes_range(scheme.kind)) json["range"] = to_string(scheme.range);
  return json;
}

Scheme parse_scheme_json(const ordered_json& object, const std::string& where) {
  const std::string kind = text_of(object, "scheme", where);
  const std::string granularity = text_of(object, "granularity", where);
  Scheme scheme;
  scheme.bits = integer_of(object, "bits", where);
  try {
    scheme.kind = parse_scheme_kind(kind);
    scheme.granularity = parse_granularity(granularity);
    if (takes_range(scheme.kind)) scheme.range = parse_range(text_of(object, "range", where));
    scheme.format = format_of(object, where);
    if (scheme.kind == SchemeKind::kFixedPoint) scheme.scaling = scaling_of(object, where);
    validate(scheme);
  } catch (const Error& error) {
    if (error.category() == ErrorCategory::kCorrupt) throw;
    refuse(where, fmt::format("names no scheme: {}", error.what()));
  }
  if (object.contains("axis")) read_axis(object, where, scheme.granularity);
  return scheme;
}

}  // namespace narrow
