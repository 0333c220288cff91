#include "tasks/rules/rule_keys.h"

#include <fmt/format.h>

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
}

void set_axis(std::string_view value, PartialScheme& target) {
  const ChannelAxes axes = parse_channel_axes(value);
  target.scheme.granularity.axis = axes.first;
  target.scheme.granularity.axis_count = axes.count;
}

void set_range(std::string_view value, PartialScheme& target) {
  target.scheme.range = parse_range(value);
}

constexpr std::array<RuleKey, 6> kKeys = {{
    {"bits", "1 to 32", set_bits},
    {"scheme", "bin, fixed-point, affine, symmetric, codebook", set_scheme},
    {"granularity", "tensor, channel, group:G", set_granularity},
    {"axis", "channel axis, 2,3 for both together", set_axis},
    {"range", "minmax, percentile:P, mse, aciq", set_range},
    {"scaling", "binary, decimal", set_scaling},
}};

}  // namespace

std::span<const RuleKey> rule_keys() noexcept { return kKeys; }

}  // namespace narrow
