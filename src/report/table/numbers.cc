#include "report/table/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace narrow {

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 10000) return fmt::format("{} bytes", bytes);
  return fmt::format("{} ({} bytes)", format_short_bytes(static_cast<double>(bytes)), bytes);
}

std::string format_short_bytes(double bytes) {
  constexpr std::array<const char*, 4> kUnits = {"kB", "MB", "GB", "TB"};
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  double value = bytes / 1000;
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.4g} {}", value, kUnits.at(unit));
}

std::string format_ratio(double ratio) {
  return fmt::format("{} ({} %)", format_short(ratio), format_short(100 * ratio));
}

std::string format_size_ratio(std::uint64_t size, std::uint64_t other) {
  const auto times = [](std::uint64_t larger, std::uint64_t smaller) {
    return fmt::format("{:.2f}", static_cast<double>(larger) / static_cast<double>(smaller));
  };
  if (size == 0 || other == 0 || times(std::max(size, other), std::min(size, other)) == "1.00") {
    return "as large as";
  }
  return size > other ? times(size, other) + " times larger than"
                      : times(other, size) + " times smaller than";
}

std::string format_short(double value) { return fmt::format("{:.4g}", value); }

std::string format_decibel(double value) {
  if (value == std::numeric_limits<double>::infinity()) return "exact";
  return fmt::format("{:.2f} dB", value);
}

nlohmann::ordered_json json_number(double value) {
  if (!std::isfinite(value)) return nullptr;
  return value;
}

}  // namespace narrow
