#include "narrow/integer_arithmetic.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>

#include "narrow/error.h"

namespace narrow {
namespace {

// In the order of RequantizationMode.
constexpr std::array<std::string_view, 3> kModeNames = {"float", "multiplier", "shift"};

}  // namespace

std::string_view to_string(RequantizationMode mode) noexcept {
  return kModeNames[static_cast<std::size_t>(mode)];
}

RequantizationMode parse_requantization(std::string_view name) {
  for (std::size_t i = 0; i < kModeNames.size(); ++i) {
    if (kModeNames[i] == name) return static_cast<RequantizationMode>(i);
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("the requantization is '{}', expected float, multiplier or shift", name));
}

std::string to_text(const IntegerArithmetic& arithmetic) {
  const FixedFormat format = {{}, false, arithmetic.round_mode, arithmetic.overflow};
  const std::string details = to_text(format, 0);
  const std::string_view mode = to_string(arithmetic.mode);
  return details.empty() ? std::string(mode) : fmt::format("{}, {}", mode, details);
}

void check(const IntegerArithmetic& arithmetic) {
  const IntegerArithmetic plain = {arithmetic.mode};
  if (arithmetic.mode == RequantizationMode::kShift || arithmetic == plain) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("a round mode and an overflow belong to the requantization shift; {} "
                          "rounds and saturates in its own way",
                          to_string(arithmetic.mode)));
}

}  // namespace narrow
