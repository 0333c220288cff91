#include "cli/plan_arguments.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

template <typename T>
std::optional<T> number_of(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Adds what one part of a list of widths says; false when it says nothing.
bool add_widths(std::string_view part, std::set<int>& widths) {
  constexpr int kMostBits = 32;
  const auto dots = part.find("..");
  const auto from = number_of<int>(part.substr(0, dots));
  const auto to = dots == std::string_view::npos ? from : number_of<int>(part.substr(dots + 2));
  if (!from || !to || *from < 1 || *to > kMostBits || *from > *to) return false;
  for (int bits = *from; bits <= *to; ++bits) widths.insert(bits);
  return true;
}

}  // namespace

std::vector<int> parse_widths(std::string_view text, std::string_view option) {
  std::set<int> widths;
  for (std::string_view rest = text;;) {
    const auto comma = rest.find(',');
    if (!add_widths(rest.substr(0, comma), widths)) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} {}: expected widths within 1 to 32, such as 1..16 or 2,4,8",
                              option, text));
    }
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return {widths.begin(), widths.end()};
}

std::uint64_t parse_byte_size(std::string_view text) {
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
              fmt::format("--budget {}: expected a size such as 12MiB, 12.5MB or 12582912 (units "
                          "kB, MB, GB, KiB, MiB, GiB)",
                          text));
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

}  // namespace narrow
