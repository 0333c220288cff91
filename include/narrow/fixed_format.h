// What may be given of a fixed-point format (binary scaling), and how it is written: Qm.n as in
// digital signal processing, ap_fixed<W, I> as in AMD's HLS. docs/numerics.md, "Given formats", has
// every formula.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "narrow/export.h"

namespace narrow {

// How value * 2^n becomes an integer.
enum class RoundMode {
  kHalfEven,  // the nearest; of two the even one (HLS: RND_CONV)
  kHalfUp,    // ...; the greater one (RND)
  kHalfAway,  // ...; the one away from zero (RND_INF)
  kHalfZero,  // ...; the one nearer to zero (RND_ZERO)
  kHalfDown,  // ...; the lesser one (RND_MIN_INF)
  kFloor,     // the next one below (TRN)
  kZero,      // the next one toward zero (TRN_ZERO)
};

// What becomes of an integer that is no code.
enum class Overflow {
  kSaturate,   // the nearest code (SAT)
  kSymmetric,  // the same, and -2^(B-1) is no code (SAT_SYM)
  kZero,       // code 0 (SAT_ZERO)
  kWrap,       // its low B bits (WRAP)
};

struct FixedFormat {
  // n: a code stands for code * 2^-n. Absent: the greatest that holds the block (the rule for n).
  std::optional<int> fraction_bits;
  bool always_signed = false;  // else codes are signed in blocks with negative values only
  RoundMode round_mode = RoundMode::kHalfEven;
  Overflow overflow = Overflow::kSaturate;
  bool operator==(const FixedFormat&) const = default;
};

// Beyond these no float32 has any other code than 0 and -1, or all codes stand for zero.
constexpr int kLeastGivenFractionBits = -256;
constexpr int kMostGivenFractionBits = 256;

// "half-even", "half-up", "half-away", "half-zero", "half-down", "floor", "zero".
NARROW_EXPORT std::string_view to_string(RoundMode mode) noexcept;
// The mode of that name; throws Error(kUsage) naming the seven.
NARROW_EXPORT RoundMode parse_round_mode(std::string_view name);
// "saturate", "symmetric", "zero", "wrap".
NARROW_EXPORT std::string_view to_string(Overflow overflow) noexcept;
// The one of that name; throws Error(kUsage) naming the four.
NARROW_EXPORT Overflow parse_overflow(std::string_view name);
// "always" or "auto"; whether it is "always". Throws Error(kUsage) for anything else.
NARROW_EXPORT bool parse_always_signed(std::string_view text);

// A width and a format under one name; its codes are always signed.
struct NamedFormat {
  int bits = 0;
  FixedFormat format;
  bool operator==(const NamedFormat&) const = default;
};
// "1.6", also "Q1.6": m integer bits without the sign and n fraction bits, B = m + n + 1. Either
// may be negative. Throws Error(kUsage) for anything else and for B outside 1..32.
NARROW_EXPORT NamedFormat parse_q_format(std::string_view text);
// "8,2" of ap_fixed<8, 2>: W bits, of which I are integer bits with the sign; n = W - I. I may be
// negative or above W. Throws like parse_q_format.
NARROW_EXPORT NamedFormat parse_ap_fixed(std::string_view text);

// What of it is not the default, in words: "Q1.6, round floor, overflow wrap"; one without a sign
// of its own "6 fraction bits". Empty for FixedFormat{}.
NARROW_EXPORT std::string to_text(const FixedFormat& format, int bits);

}  // namespace narrow
