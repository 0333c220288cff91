#include "cli/options/plan_arguments.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "base/number_text.h"
#include "base/utf8.h"
#include "narrow/error.h"

namespace narrow {

int parse_width(std::string_view text, std::string_view option) {
  constexpr int kMostBits = 32;
  const auto bits = number_of<int>(text);
  if (bits && *bits >= 1 && *bits <= kMostBits) return *bits;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} {}: expected a width of 1 to {} bits", option, text, kMostBits));
}

std::uint64_t parse_byte_size(std::string_view text, std::string_view option) {
  static constexpr std::array<std::pair<std::string_view, double>, 8> kUnits = {{
      {"", 1},
      {"B", 1},
      {"kB", 1e3},
      {"MB", 1e6},
      {"GB", 1e9},
      {"KiB", 0x1p10},
      {"MiB", 0x1p20},
      {"GiB", 0x1p30},
  }};
  constexpr double kMostBytes = 0x1p62;
  const auto digits = text.find_first_not_of("0123456789.");
  const auto unit_begin = digits == std::string_view::npos ? text.size() : digits;
  std::string_view unit = text.substr(unit_begin);
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  const auto number = number_of<double>(text.substr(0, unit_begin));
  for (const auto& [name, factor] : kUnits) {
    if (name != unit || !number) continue;
    const double bytes = std::floor(*number * factor);
    if (bytes < kMostBytes) return static_cast<std::uint64_t>(bytes);
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} {}: expected a size such as 12MiB, 12.5MB or 12582912 (units kB, "
                          "MB, GB, KiB, MiB, GiB)",
                          option, text));
}

WidthRule parse_width_rule(std::string_view text, std::string_view option) {
  const auto equals = text.rfind('=');
  const auto bits = equals == std::string_view::npos || equals == 0
                        ? std::nullopt
                        : number_of<int>(text.substr(equals + 1));
  if (bits) return {std::string(text.substr(0, equals)), *bits};
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} {}: expected GLOB=BITS, such as '*/logits/*=8'", option, text));
}

void require_name_for_plan(const TensorInfo& info) {
  if (is_utf8(info.name)) return;
  throw Error(
      ErrorCategory::kUnsupported,
      fmt::format("a plan file cannot name tensor {}, whose name is not UTF-8; leave it out "
                  "with --exclude",
                  info.name));
}

}  // namespace narrow
