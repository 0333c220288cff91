#include "quant/blocks/format_modes.h"

#include <array>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace narrow {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// From which fraction part on |v| goes to the integer above.
constexpr double kHalf = 0.5;
constexpr double kMoreThanHalf = 0.5 + DBL_EPSILON / 2;
constexpr double kAnyFraction = DBL_MIN;  // those of float32 values are greater
constexpr double kNone = 2;

struct Carries {
  double positive;
  double negative;
};

// In the order of RoundMode. For half-even where the integer below is even.
constexpr std::array<Carries, 7> kCarries = {{{kMoreThanHalf, kMoreThanHalf},
                                              {kHalf, kMoreThanHalf},
                                              {kHalf, kHalf},
                                              {kMoreThanHalf, kMoreThanHalf},
                                              {kMoreThanHalf, kHalf},
                                              {kNone, kAnyFraction},
                                              {kNone, kNone}}};
constexpr std::size_t kOverflows = 4;

constexpr std::array<FormatModes, kCarries.size() * kOverflows> make_modes() {
  std::array<FormatModes, kCarries.size() * kOverflows> all;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t mode = i / kOverflows;
    all[i] = {static_cast<RoundMode>(mode) == RoundMode::kHalfEven, kCarries[mode].positive,
              kCarries[mode].negative, static_cast<Overflow>(i % kOverflows)};
  }
  return all;
}
constexpr auto kModes = make_modes();

// The least number whose integer is above `code`, with the sign left out.
double limit_above(double code, double carry) {
  if (carry == kNone) return code + 1;
  if (carry == kAnyFraction) return code == 0 ? kAnyFraction : std::nextafter(code, kInfinity);
  return carry == kHalf ? code + kHalf : std::nextafter(code + kHalf, kInfinity);
}

}  // namespace

bool has_own_modes(const FixedFormat& format) noexcept {
  return format.round_mode != RoundMode::kHalfEven || format.overflow == Overflow::kZero ||
         format.overflow == Overflow::kWrap;
}

const FormatModes& format_modes(const FixedFormat& format) noexcept {
  return kModes[static_cast<std::size_t>(format.round_mode) * kOverflows +
                static_cast<std::size_t>(format.overflow)];
}

OverflowLimits overflow_limits(const CodeRange& codes, RoundMode mode) noexcept {
  const auto& [positive, negative] = kCarries[static_cast<std::size_t>(mode)];
  const auto carry = [mode](std::int64_t code, double own) {
    const bool is_odd = code % 2 != 0;
    return mode == RoundMode::kHalfEven && is_odd ? kHalf : own;
  };
  return {-limit_above(static_cast<double>(-codes.min), carry(codes.min, negative)),
          limit_above(static_cast<double>(codes.max), carry(codes.max, positive))};
}

}  // namespace narrow
