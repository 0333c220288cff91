// What the tests of this layer share: values of many kinds, and comparison bit for bit.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "narrow/quantize_values.h"
#include "narrow/tensor.h"

namespace narrow {

inline constexpr std::array<DType, 4> kFloatTypes = {DType::kFloat32, DType::kFloat64,
                                                     DType::kFloat16, DType::kBFloat16};

inline Granularity by_group(std::int64_t size) {
  Granularity granularity;
  granularity.kind = Granularity::Kind::kGroup;
  granularity.group_size = size;
  return granularity;
}

inline Granularity by_channel(int axis) {
  Granularity granularity;
  granularity.kind = Granularity::Kind::kChannel;
  granularity.axis = axis;
  return granularity;
}

inline std::vector<Scheme> all_schemes() {
  std::vector<Scheme> schemes(5);
  schemes[1].kind = SchemeKind::kFixedPoint;
  schemes[2].kind = SchemeKind::kFixedPoint;
  schemes[2].scaling = Scaling::kDecimal;
  schemes[3].kind = SchemeKind::kAffine;
  schemes[4].kind = SchemeKind::kSymmetric;
  return schemes;
}

// Schemes that are fitted to all values of a block.
inline std::vector<Scheme> value_schemes() {
  std::vector<Scheme> schemes;
  for (Scheme scheme : all_schemes()) {
    for (const char* const range : {"mse", "aciq", "percentile:90"}) {
      scheme.range = parse_range(range);
      schemes.push_back(scheme);
    }
  }
  schemes.emplace_back().kind = SchemeKind::kCodebook;
  return schemes;
}

// Fixed point in every round mode with every overflow: fitted, and in grids that are too fine, too
// coarse and about right for random_value.
inline std::vector<Scheme> format_schemes() {
  constexpr std::array<int, 9> kGiven = {6, -3, 24, 0, 9, -125, 3, 140, 200};
  std::vector<Scheme> schemes;
  std::size_t turn = 0;
  for (int mode = 0; mode < 7; ++mode) {
    for (int overflow = 0; overflow < 4; ++overflow) {
      for (int given = 0; given < 3; ++given) {
        Scheme& scheme = schemes.emplace_back();
        scheme.kind = SchemeKind::kFixedPoint;
        scheme.format.round_mode = static_cast<RoundMode>(mode);
        scheme.format.overflow = static_cast<Overflow>(overflow);
        if (given > 0) scheme.format.fraction_bits = kGiven.at(turn++ % kGiven.size());
        scheme.format.always_signed = turn % 2 == 0;
      }
    }
  }
  return schemes;
}

inline bool has_width(const Scheme& scheme, int bits) {
  if (scheme.kind == SchemeKind::kCodebook) return bits <= kMaxCodebookBits;
  const bool needs_two =
      scheme.kind == SchemeKind::kSymmetric || scheme.format.overflow == Overflow::kSymmetric;
  return !needs_two || bits > 1;
}

inline std::string scheme_text(const Scheme& scheme) {
  std::string text(to_string(scheme.kind));
  if (scheme.scaling == Scaling::kDecimal) text.append(" decimal");
  return text.append(", bits ")
      .append(std::to_string(scheme.bits))
      .append(", ")
      .append(to_string(scheme.granularity))
      .append(", ")
      .append(to_string(scheme.range))
      .append(has_format(scheme) ? ", " + to_text(scheme.format, scheme.bits) : "");
}

enum class ValueKind { kNormal, kPositive, kNegative, kAnyBits, kSubnormal, kGrid };
constexpr std::array<ValueKind, 6> kValueKinds = {ValueKind::kNormal,    ValueKind::kPositive,
                                                  ValueKind::kNegative,  ValueKind::kAnyBits,
                                                  ValueKind::kSubnormal, ValueKind::kGrid};

inline float random_value(ValueKind kind, RandomStream* random) {
  switch (kind) {
    case ValueKind::kNormal:
      return static_cast<float>(0.1 * random->normal());
    case ValueKind::kPositive:
      return static_cast<float>(1 + random->uniform());
    case ValueKind::kNegative:
      return static_cast<float>(-3 * random->uniform());
    case ValueKind::kSubnormal:
      return std::bit_cast<float>(static_cast<std::uint32_t>(random->below(1000)) |
                                  static_cast<std::uint32_t>(random->below(2)) << 31);
    case ValueKind::kGrid:  // many ties
      return static_cast<float>(static_cast<int>(random->below(257)) - 128) / 64;
    case ValueKind::kAnyBits:
      break;
  }
  for (;;) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random->next()));
    if (std::isfinite(value)) return value;
  }
}

inline std::vector<float> random_values(ValueKind kind, std::size_t count, RandomStream* random) {
  std::vector<float> values(count);
  std::generate(values.begin(), values.end(), [&] { return random_value(kind, random); });
  return values;
}

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
  });
}

inline bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

inline bool same_bits(const ErrorSums& a, const ErrorSums& b) {
  return a.count == b.count && same_bits(a.sum_x2, b.sum_x2) && same_bits(a.sum_d2, b.sum_d2) &&
         same_bits(a.sum_d, b.sum_d) && same_bits(a.sum_xr, b.sum_xr) &&
         same_bits(a.max_abs_d, b.max_abs_d) && a.overflowed == b.overflowed;
}

}  // namespace narrow
