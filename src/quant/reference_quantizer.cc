#include "quant/reference_quantizer.h"

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <cstdlib>
#include <string>

#include "quant/kernels/kernel_table.h"

namespace narrow {
namespace {

double rne(double value) { return std::nearbyint(value); }

double power_of_ten(int exponent) {
  return std::strtod(std::string("1e").append(std::to_string(exponent)).c_str(), nullptr);
}

bool is_decimal(const Scheme& scheme) { return scheme.scaling == Scaling::kDecimal; }

double round_by(RoundMode mode, double v) {
  switch (mode) {
    case RoundMode::kHalfEven:
      return rne(v);
    case RoundMode::kHalfUp:
      return std::floor(v + 0.5);
    case RoundMode::kHalfAway:
      return std::copysign(std::floor(std::fabs(v) + 0.5), v);
    case RoundMode::kHalfZero:
      return std::copysign(std::ceil(std::fabs(v) - 0.5), v);
    case RoundMode::kHalfDown:
      return std::ceil(v - 0.5);
    case RoundMode::kFloor:
      return std::floor(v);
    case RoundMode::kZero:
      break;
  }
  return std::trunc(v);
}

double limited(double integer, Overflow overflow, const CodeRange& range, int bits) {
  const auto min = static_cast<double>(range.min);
  const auto max = static_cast<double>(range.max);
  if (integer >= min && integer <= max) return integer;
  if (overflow == Overflow::kZero) return 0;
  if (overflow != Overflow::kWrap) return std::clamp(integer, min, max);
  const double count = std::ldexp(1.0, bits);
  const double rest = std::fmod(integer, count);
  return rest < min ? rest + count : rest > max ? rest - count : rest;
}

// The code as a number that is an integer but may lie outside the range.
double unclamped_code(double x, const Scheme& scheme, const BlockParams& p) {
  switch (scheme.kind) {
    case SchemeKind::kCodebook: {
      const auto reaches = [x](float left, float right) {
        return x <= (double{left} + double{right}) / 2;
      };
      const auto found = std::adjacent_find(p.levels.begin(), p.levels.end(), reaches);
      return static_cast<double>(
          std::min<std::ptrdiff_t>(found - p.levels.begin(), std::ssize(p.levels) - 1));
    }
    case SchemeKind::kBin: {
      if (p.hi == p.lo) return 0;
      const double inv = std::ldexp(1.0, scheme.bits) / (p.hi - p.lo);
      return std::floor((x - p.lo) * inv);
    }
    case SchemeKind::kFixedPoint: {
      const double shifted = is_decimal(scheme) ? x * power_of_ten(p.decimal_exponent) : x;
      return round_by(scheme.format.round_mode, shifted * std::ldexp(1.0, p.fraction_bits));
    }
    case SchemeKind::kAffine:
    case SchemeKind::kSymmetric:
      break;
  }
  return rne(x / p.scale) + static_cast<double>(p.zero);
}

}  // namespace

std::int64_t reference_code(float value, const Scheme& scheme, const BlockParams& params) {
  const CodeRange range = code_range(scheme, params);
  return static_cast<std::int64_t>(
      limited(unclamped_code(value, scheme, params), scheme.format.overflow, range, scheme.bits));
}

bool reference_overflows(float value, const Scheme& scheme, const BlockParams& params) {
  const CodeRange range = code_range(scheme, params);
  const double code = unclamped_code(value, scheme, params);
  return code < static_cast<double>(range.min) || code > static_cast<double>(range.max);
}

double reference_value(std::int64_t code, const Scheme& scheme, const BlockParams& params) {
  switch (scheme.kind) {
    case SchemeKind::kBin:
      if (params.hi == params.lo) return params.lo;
      return params.lo + (static_cast<double>(code) + 0.5) * params.bin_width;
    case SchemeKind::kFixedPoint: {
      const double value = static_cast<double>(code) * std::ldexp(1.0, -params.fraction_bits);
      return is_decimal(scheme) ? value * power_of_ten(-params.decimal_exponent) : value;
    }
    case SchemeKind::kCodebook:
      return double{params.levels.at(static_cast<std::size_t>(code))};
    case SchemeKind::kAffine:
    case SchemeKind::kSymmetric:
      break;
  }
  return static_cast<double>(code - params.zero) * params.scale;
}

float reference_float(double value) {
  return static_cast<float>(std::clamp(value, -double{FLT_MAX}, double{FLT_MAX}));
}

ErrorSums reference_sums(std::span<const double> original, std::span<const double> restored) {
  ErrorSums total;
  for (std::size_t begin = 0; begin < original.size(); begin += kChunk) {
    const std::size_t end = std::min(original.size(), begin + kChunk);
    std::array<ErrorSums, kLanes> lanes;
    for (std::size_t i = begin; i < end; ++i) {
      const double x = original[i];
      const double r = restored[i];
      const double d = r - x;
      lanes.at((i - begin) % kLanes).merge({1, x * x, d * d, d, x * r, std::fabs(d)});
    }
    for (const std::size_t half : {8U, 4U, 2U, 1U}) {
      for (std::size_t lane = 0; lane < half; ++lane) lanes.at(lane).merge(lanes.at(lane + half));
    }
    total.merge(lanes.front());
  }
  return total;
}

}  // namespace narrow
