#include "narrow/fixed_format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kMostBits = 32;

// In the order of RoundMode and of Overflow.
constexpr std::array<std::string_view, 7> kRoundModes = {
    "half-even", "half-up", "half-away", "half-zero", "half-down", "floor", "zero"};
constexpr std::array<std::string_view, 4> kOverflows = {"saturate", "symmetric", "zero", "wrap"};

[[noreturn]] void refuse_format(const std::string& sentence) {
  throw Error(ErrorCategory::kUsage, sentence);
}

template <std::size_t kCount>
std::size_t position_of(std::string_view name, const std::array<std::string_view, kCount>& names,
                        std::string_view what) {
  const auto found = std::ranges::find(names, name);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  std::string list;
  for (const std::string_view one : names) list.append(list.empty() ? "" : ", ").append(one);
  refuse_format("unknown " + std::string(what) + " \"" + std::string(name) + "\": use one of " +
                list);
}

// "A<separator>B", both whole numbers of few digits.
std::optional<std::pair<int, int>> two_numbers(std::string_view text, char separator) {
  constexpr int kMost = 100000;  // their sums stay far from overflow
  const std::size_t middle = text.find(separator);
  if (middle == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view digits) -> std::optional<int> {
    int value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc() || stop != end || value < -kMost || value > kMost) return std::nullopt;
    return value;
  };
  std::string_view second = text.substr(middle + 1);
  while (separator == ',' && second.starts_with(' ')) second.remove_prefix(1);
  const auto a = number(text.substr(0, middle));
  const auto b = number(second);
  if (!a || !b) return std::nullopt;
  return std::pair(*a, *b);
}

NamedFormat signed_format(std::string_view text, int bits, int fraction_bits) {
  if (bits < 1 || bits > kMostBits) {
    refuse_format("the format " + std::string(text) + " has " + std::to_string(bits) +
                  " bits, which is outside 1 to " + std::to_string(kMostBits));
  }
  NamedFormat named;
  named.bits = bits;
  named.format.fraction_bits = fraction_bits;
  named.format.always_signed = true;
  return named;
}

}  // namespace

std::string_view to_string(RoundMode mode) noexcept {
  return kRoundModes[static_cast<std::size_t>(mode)];
}

RoundMode parse_round_mode(std::string_view name) {
  return static_cast<RoundMode>(position_of(name, kRoundModes, "round mode"));
}

std::string_view to_string(Overflow overflow) noexcept {
  return kOverflows[static_cast<std::size_t>(overflow)];
}

Overflow parse_overflow(std::string_view name) {
  return static_cast<Overflow>(position_of(name, kOverflows, "overflow"));
}

bool parse_always_signed(std::string_view text) {
  constexpr std::array<std::string_view, 2> kNames = {"auto", "always"};
  return position_of(text, kNames, "sign of codes") == 1;
}

NamedFormat parse_q_format(std::string_view text) {
  std::string_view numbers = text;
  if (numbers.starts_with('Q') || numbers.starts_with('q')) numbers.remove_prefix(1);
  const auto found = two_numbers(numbers, '.');
  if (!found) {
    refuse_format(
        "\"" + std::string(text) +
        "\" is no Q format: expected m.n, such as 1.6 for a sign, 1 integer bit and 6 fraction "
        "bits");
  }
  return signed_format(text, found->first + found->second + 1, found->second);
}

NamedFormat parse_ap_fixed(std::string_view text) {
  const auto found = two_numbers(text, ',');
  if (!found) {
    refuse_format(
        "\"" + std::string(text) +
        "\" is no ap_fixed format: expected W,I, such as 8,2 for 8 bits of which 2 are integer "
        "bits with the sign");
  }
  return signed_format(text, found->first, found->first - found->second);
}

std::string to_text(const FixedFormat& format, int bits) {
  std::string text;
  const auto add = [&text](const std::string& part) {
    text.append(text.empty() ? "" : ", ").append(part);
  };
  if (format.fraction_bits.has_value()) {
    const int n = *format.fraction_bits;
    add(format.always_signed ? "Q" + std::to_string(bits - 1 - n) + "." + std::to_string(n)
                             : std::to_string(n) + " fraction bits");
  } else if (format.always_signed) {
    add("always signed");
  }
  if (format.round_mode != RoundMode::kHalfEven) {
    add("round " + std::string(to_string(format.round_mode)));
  }
  if (format.overflow != Overflow::kSaturate) {
    add("overflow " + std::string(to_string(format.overflow)));
  }
  return text;
}

}  // namespace narrow
