#include "quant/blocks/block_fit.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdlib>
#include <string>

#include "narrow/error.h"
#include "quant/blocks/format_modes.h"
#include "quant/blocks/power_of_ten_table.h"

namespace narrow {
namespace {

constexpr int kMaxFractionBits = 149;  // below that every float32 is a multiple of 2^-n

double power_of_two(int exponent) { return std::ldexp(1.0, exponent); }

bool is_decimal(const Scheme& scheme) {
  return scheme.kind == SchemeKind::kFixedPoint && scheme.scaling == Scaling::kDecimal;
}

// The greatest n that holds the range. An upper bound from the exponents first: the scaled end
// must stay below the next power of two after the last code.
void fit_binary(const CodeRange& range, int bits, BlockParams* params) {
  if (params->lo == 0 && params->hi == 0) return;
  int n = kMaxFractionBits;
  const int magnitude_bits = bits - (params->is_signed ? 1 : 0);
  if (params->hi > 0) n = std::min(n, magnitude_bits - 1 - std::ilogb(params->hi));
  if (params->lo < 0) n = std::min(n, bits - 1 - std::ilogb(params->lo));
  const auto holds = [&](int fraction_bits) {
    const double up = power_of_two(fraction_bits);
    return std::nearbyint(params->lo * up) >= static_cast<double>(range.min) &&
           std::nearbyint(params->hi * up) <= static_cast<double>(range.max);
  };
  while (!holds(n)) --n;
  params->fraction_bits = n;
}

// A given format and its modes, or the fitted one.
void fit_format(const CodeRange& range, const Scheme& scheme, BlockParams* params) {
  if (scheme.format.fraction_bits.has_value()) {
    params->fraction_bits = *scheme.format.fraction_bits;
  } else {
    fit_binary(range, scheme.bits, params);
  }
  if (!has_format(scheme)) return;
  const OverflowLimits limits = overflow_limits(range, scheme.format.round_mode);
  const double up = power_of_two(params->fraction_bits);
  params->clips = params->lo * up <= limits.below || params->hi * up >= limits.above;
}

void fit_decimal(const CodeRange& range, int bits, BlockParams* params) {
  const double largest = std::max(-params->lo, params->hi);
  if (largest == 0) return;
  int s = 0;
  while (s < kMaxPowerOfTen && largest * kPowersOfTen[static_cast<std::size_t>(s)] < 1) ++s;
  const double ten_up = kPowersOfTen[static_cast<std::size_t>(s)];
  const int integer_bits = std::ilogb(std::floor(largest * ten_up)) + 1;
  const int f = bits - integer_bits - (params->is_signed ? 1 : 0);
  params->decimal_exponent = s;
  params->fraction_bits = std::max(f, 0);
  const double two_up = power_of_two(params->fraction_bits);
  params->clips = f < 0 ||
                  std::nearbyint(params->lo * ten_up * two_up) < static_cast<double>(range.min) ||
                  std::nearbyint(params->hi * ten_up * two_up) > static_cast<double>(range.max);
}

void fit_affine(int bits, BlockParams* params) {
  const double lo = std::min(params->lo, 0.0);
  const double hi = std::max(params->hi, 0.0);
  if (lo == hi) return;
  params->scale = (hi - lo) / (power_of_two(bits) - 1);
  params->zero = static_cast<std::int64_t>(std::nearbyint(-lo / params->scale));
}

void fit_symmetric(int bits, BlockParams* params) {
  const double largest = std::max(-params->lo, params->hi);
  if (largest != 0) params->scale = largest / (power_of_two(bits - 1) - 1);
}

// Whether (code + 0.5) * width never rounds for codes of `bits` bits, nor offset + width / 2.
bool products_are_exact(double offset, double width, int bits) {
  constexpr int kMantissaBits = DBL_MANT_DIG - 1;
  const auto mantissa = std::bit_cast<std::uint64_t>(width) & ((1ULL << kMantissaBits) - 1);
  if (std::countr_zero(mantissa | (1ULL << kMantissaBits)) < bits + 1) return false;
  // Knuth's two-sum: the rounding error of offset + half is exactly zero.
  const double half = 0.5 * width;
  const double sum = offset + half;
  const double part = sum - offset;
  return (offset - (sum - part)) + (half - part) == 0;
}

void set_bin_constants(int bits, const BlockParams& params, BlockConstants* constants) {
  constants->offset = params.lo;
  if (params.lo == params.hi) {
    // Everything restores to lo, also to -0: adding -0 changes no number.
    constants->up = 0;
    constants->down = -0.0;
  } else {
    constants->up = power_of_two(bits) / (params.hi - params.lo);
    constants->down = params.bin_width;
  }
  constants->middle = constants->offset + 0.5 * constants->down;
  constants->exact_products = products_are_exact(constants->offset, constants->down, bits);
}

void set_format_constants(const Scheme& scheme, const BlockParams& params,
                          BlockConstants* constants) {
  const OverflowLimits limits =
      overflow_limits(code_range(scheme, params), scheme.format.round_mode);
  constants->below = limits.below;
  constants->above = limits.above;
  constants->overflows = true;
  constants->modes = &format_modes(scheme.format);
}

void set_fixed_point_constants(const Scheme& scheme, const BlockParams& params,
                               BlockConstants* constants) {
  constants->up = power_of_two(params.fraction_bits);
  constants->down = power_of_two(-params.fraction_bits);
  if (scheme.scaling == Scaling::kBinary) {
    // Codes stay below 2^22, where a float32 still has room for the tie bit, and both powers are
    // normal float32 numbers: then only what rounds to 0 can underflow.
    constexpr int kWidest = 22;
    constexpr int kMaxExponent = 126;
    constants->exact_in_float =
        scheme.bits <= kWidest && std::abs(params.fraction_bits) <= kMaxExponent;
    if (has_format(scheme)) set_format_constants(scheme, params, constants);
    return;
  }
  if (params.decimal_exponent < 0 || params.decimal_exponent > kMaxPowerOfTen) {
    throw Error(ErrorCategory::kUsage,
                "decimal exponent " + std::to_string(params.decimal_exponent) +
                    " of a fixed-point block is outside 0 to " + std::to_string(kMaxPowerOfTen));
  }
  const auto s = static_cast<std::size_t>(params.decimal_exponent);
  constants->first_up = kPowersOfTen[s];
  constants->last_down = kPowersOfTenth[s];
}

bool fits_float(double value) { return std::fabs(value) <= double{FLT_MAX}; }

// Doubles too small for float32 count as zeros of their sign, so that no formula leaves the range
// of double.
double checked_end(double value) {
  if (!fits_float(value)) {
    throw Error(ErrorCategory::kUsage,
                "range end " + std::to_string(value) + " is not a finite float32 number");
  }
  return std::fabs(value) < double{FLT_TRUE_MIN} ? std::copysign(0.0, value) : value;
}

}  // namespace

Rule rule_of(const Scheme& scheme) noexcept {
  switch (scheme.kind) {
    case SchemeKind::kBin:
      return Rule::kBin;
    case SchemeKind::kFixedPoint:
      if (is_decimal(scheme)) return Rule::kDecimal;
      return has_own_modes(scheme.format) ? Rule::kFormat : Rule::kPowerOfTwo;
    case SchemeKind::kCodebook:
      return Rule::kCodebook;
    case SchemeKind::kAffine:
    case SchemeKind::kSymmetric:
      break;
  }
  return Rule::kDivided;
}

CodeRange code_range(const Scheme& scheme, const BlockParams& params) {
  const std::int64_t codes = std::int64_t{1} << scheme.bits;
  const std::int64_t half = codes / 2;
  if (scheme.kind == SchemeKind::kSymmetric) return {-(half - 1), half - 1};
  if (scheme.kind == SchemeKind::kFixedPoint && params.is_signed) {
    const bool is_symmetric = is_decimal(scheme) || scheme.format.overflow == Overflow::kSymmetric;
    return is_symmetric ? CodeRange{-(half - 1), half - 1} : CodeRange{-half, half - 1};
  }
  return {0, codes - 1};
}

BlockParams fit_checked_range(double lo, double hi, const Scheme& scheme) {
  BlockParams params;
  params.lo = lo;
  params.hi = hi;
  switch (scheme.kind) {
    case SchemeKind::kBin:
      params.bin_width = (hi - lo) / power_of_two(scheme.bits);
      break;
    case SchemeKind::kFixedPoint:
      params.is_signed = lo < 0 || scheme.format.always_signed;
      if (is_decimal(scheme)) {
        fit_decimal(code_range(scheme, params), scheme.bits, &params);
      } else {
        fit_format(code_range(scheme, params), scheme, &params);
      }
      break;
    case SchemeKind::kAffine:
      fit_affine(scheme.bits, &params);
      break;
    case SchemeKind::kSymmetric:
      fit_symmetric(scheme.bits, &params);
      break;
    case SchemeKind::kCodebook:  // has no parameters that follow from a range
      break;
  }
  return params;
}

BlockParams fit_range(double lo, double hi, const Scheme& scheme) {
  validate(scheme);
  if (scheme.kind == SchemeKind::kCodebook) {
    throw Error(ErrorCategory::kUsage,
                "a codebook cannot be fitted to a range: it needs the values of the block");
  }
  const double least = checked_end(lo);
  const double greatest = checked_end(hi);
  if (least > greatest) {
    throw Error(ErrorCategory::kUsage, "range ends are in the wrong order: " + std::to_string(lo) +
                                           " is greater than " + std::to_string(hi));
  }
  return fit_checked_range(least, greatest, scheme);
}

BlockConstants block_constants(const Scheme& scheme, const BlockParams& params) {
  BlockConstants constants;
  const CodeRange range = code_range(scheme, params);
  constants.min = static_cast<double>(range.min);
  constants.max = static_cast<double>(range.max);
  switch (scheme.kind) {
    case SchemeKind::kBin:
      set_bin_constants(scheme.bits, params, &constants);
      constants.finite_ends = fits_float(constants.middle) &&
                              fits_float(constants.max * constants.down + constants.middle);
      break;
    case SchemeKind::kFixedPoint:
      set_fixed_point_constants(scheme, params, &constants);
      constants.finite_ends =
          fits_float(constants.min * constants.down) && fits_float(constants.max * constants.down);
      break;
    case SchemeKind::kAffine:
    case SchemeKind::kSymmetric:
      constants.offset = static_cast<double>(params.zero);
      constants.up = params.scale;
      constants.down = params.scale;
      break;
    case SchemeKind::kCodebook:  // see CodebookTables
      break;
  }
  return constants;
}

}  // namespace narrow
