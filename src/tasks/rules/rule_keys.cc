#include "tasks/rules/rule_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "narrow/error.h"

namespace narrow {
namespace {

int whole_number(std::string_view text) {
  int value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status == std::errc() && end == text.data() + text.size()) return value;
  throw Error(ErrorCategory::kUsage, fmt::format("'{}' is no whole number", text));
}

void set_bits(std::string_view value, PartialScheme& target) {
  target.scheme.bits = whole_number(value);
  target.has_bits = true;
}

void set_scheme(std::string_view value, PartialScheme& target) {
  target.scheme.kind = parse_scheme_kind(value);
  target.has_kind = true;
}

void set_scaling(std::string_view value, PartialScheme& target) {
  if (value != "binary" && value != "decimal") {
    throw Error(ErrorCategory::kUsage, fmt::format("there is no scaling '{}'", value));
  }
  target.scheme.scaling = value == "binary" ? Scaling::kBinary : Scaling::kDecimal;
}

void set_granularity(std::string_view value, PartialScheme& target) {
  const Granularity granularity = parse_granularity(value);
  target.scheme.granularity.kind = granularity.kind;
  target.scheme.granularity.group_size = granularity.group_size;
  target.has_granularity = true;
}

void set_axis(std::string_view value, PartialScheme& target) {
  const ChannelAxes axes = parse_channel_axes(value);
  target.scheme.granularity.axis = axes.first;
  target.scheme.granularity.axis_count = axes.count;
}

void set_range(std::string_view value, PartialScheme& target) {
  target.scheme.range = parse_range(value);
  target.has_range = true;
}

// Formats are of fixed point, which need not be said.
FixedFormat& format_of(PartialScheme& target) {
  if (!target.has_kind) target.scheme.kind = SchemeKind::kFixedPoint;
  target.has_kind = true;
  return target.scheme.format;
}

// A name of a format stands for scheme and width too; how values round stays as it was.
void set_named(const NamedFormat& named, PartialScheme& target) {
  target.has_kind = true;
  target.has_bits = true;
  target.scheme.kind = SchemeKind::kFixedPoint;
  target.scheme.bits = named.bits;
  target.scheme.format.fraction_bits = named.format.fraction_bits;
  target.scheme.format.always_signed = named.format.always_signed;
}

void set_q(std::string_view value, PartialScheme& target) {
  set_named(parse_q_format(value), target);
}

void set_ap_fixed(std::string_view value, PartialScheme& target) {
  set_named(parse_ap_fixed(value), target);
}

void set_fraction_bits(std::string_view value, PartialScheme& target) {
  format_of(target).fraction_bits = whole_number(value);
}

void set_signed(std::string_view value, PartialScheme& target) {
  format_of(target).always_signed = parse_always_signed(value);
}

void set_round_mode(std::string_view value, PartialScheme& target) {
  format_of(target).round_mode = parse_round_mode(value);
}

void set_overflow(std::string_view value, PartialScheme& target) {
  format_of(target).overflow = parse_overflow(value);
}

constexpr std::array<RuleKey, 12> kKeys = {{
    {"bits", "1 to 32", set_bits},
    {"scheme", "bin, fixed-point, affine, symmetric, codebook", set_scheme},
    {"granularity", "tensor, channel, group:G", set_granularity},
    {"axis", "channel axis, 2,3 for both together", set_axis},
    {"range", "minmax, percentile:P, mse, aciq", set_range},
    {"scaling", "binary, decimal", set_scaling},
    {"q", "a fixed-point format M.N", set_q},
    {"ap-fixed", "a fixed-point format W,I", set_ap_fixed},
    {"fraction-bits", "n of fixed-point", set_fraction_bits},
    {"signed", "auto, always", set_signed},
    {"round-mode", "half-even, half-up, half-away, half-zero, half-down, floor, zero",
     set_round_mode},
    {"overflow", "saturate, symmetric, zero, wrap", set_overflow},
}};

std::string key_names() {
  std::string names;
  for (const RuleKey& key : kKeys) names += fmt::format("{}=, ", key.name);
  return names + "and keep alone";
}

}  // namespace

std::span<const RuleKey> rule_keys() noexcept { return kKeys; }

void require_setting(std::string_view name, std::string_view value) {
  const auto key = std::ranges::find(kKeys, name, &RuleKey::name);
  if (key == kKeys.end()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("'{}' is nothing that a rule can say; it knows {}", name, key_names()));
  }
  try {
    PartialScheme scratch;
    key->set(value, scratch);
  } catch (const Error& error) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{}: {}; expected {}", name, error.what(), key->values));
  }
}

}  // namespace narrow
