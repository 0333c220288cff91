#include "nn/integer/requantization.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narrow/error.h"
#include "nn/integer/code_bounds.h"

namespace narrow {
namespace {

constexpr int kMostRightShift = 62;
constexpr std::int64_t kMostMeanElements = std::int64_t{1} << 20;

// From units of 2^-from to units of 2^-to. What a long shift leaves is the same for all of them.
int shift_between(int from, int to) {
  const int shift = from - to;
  if (shift < -Requantization::kMostLeftShift) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("its sums would be shifted to the left by {} bits, expected at most {}",
                            -shift, Requantization::kMostLeftShift));
  }
  return std::min(shift, kMostRightShift);
}

std::int64_t code_of_quotient(std::int64_t number, int shift, std::int64_t divisor,
                              const IntegerFormat& format) {
  const RoundMode mode = format.arithmetic.round_mode;
  if (shift < 0) number *= std::int64_t{1} << -shift;
  const int right = std::max(shift, 0);
  if (divisor == 1) return code_of(rounded_shift(number, right, mode), format);
  // What a longer shift leaves of a sum of so few codes is less than half a code as well.
  const std::int64_t whole = divisor * (std::int64_t{1} << std::min(right, 41));
  return code_of(rounded_quotient(number, whole, mode), format);
}

}  // namespace

std::int64_t nearest_code(float value, const IntegerFormat& format) {
  const float code = std::nearbyint(value);
  if (!(code > static_cast<float>(format.least))) return format.least;
  if (code >= static_cast<float>(format.greatest)) return format.greatest;
  return static_cast<std::int64_t>(code);
}

void check_multiplied(double magnitude, std::string_view what, const IntegerFormat& to) {
  if (to.arithmetic.mode != RequantizationMode::kMultiplier || magnitude < 0x1p31) return;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("its {} need {} bits, expected at most 32 for a requantization by "
                          "multipliers",
                          what, std::ilogb(magnitude) + 2));
}

Requantization::Requantization(float x_scale, const std::vector<float>& weight_scales,
                               const IntegerFormat& to)
    : format_(to) {
  for (const float scale : weight_scales) {
    switch (to.arithmetic.mode) {
      case RequantizationMode::kFloat:
        factors_.push_back(x_scale * scale / to.scale);
        break;
      case RequantizationMode::kMultiplier:
        if (!(scale >= 0) || !std::isfinite(scale)) {
          throw Error(ErrorCategory::kUnsupported,
                      fmt::format("its scale {:g} is no finite number from 0 on, which a "
                                  "requantization by multipliers needs",
                                  scale));
        }
        multipliers_.push_back(
            fixed_multiplier(static_cast<double>(x_scale) * static_cast<double>(scale) /
                             static_cast<double>(to.scale)));
        break;
      case RequantizationMode::kShift:
        shifts_.push_back(shift_between(fraction_bits_of(x_scale) + fraction_bits_of(scale),
                                        fraction_bits_of(to.scale)));
    }
  }
}

Requantization Requantization::of_mean(const IntegerFormat& x, std::int64_t count,
                                       const IntegerFormat& to) {
  check_multiplied(static_cast<double>(x.magnitude()) * static_cast<double>(count), "sums", to);
  Requantization mean;
  mean.format_ = to;
  const bool is_float = to.arithmetic.mode == RequantizationMode::kFloat;
  if (!is_float) count = std::max<std::int64_t>(count, 1);  // a sum of nothing is 0
  switch (to.arithmetic.mode) {
    case RequantizationMode::kFloat:
      mean.factors_ = {x.scale / (to.scale * static_cast<float>(count))};
      break;
    case RequantizationMode::kMultiplier:
      mean.multipliers_ = {
          fixed_multiplier(static_cast<double>(x.scale) /
                           (static_cast<double>(to.scale) * static_cast<double>(count)))};
      break;
    case RequantizationMode::kShift:
      if (count > kMostMeanElements) {
        throw Error(
            ErrorCategory::kUnsupported,
            fmt::format("a mean of {} elements, expected at most {}", count, kMostMeanElements));
      }
      mean.shifts_ = {shift_between(fraction_bits_of(x.scale), fraction_bits_of(to.scale))};
      mean.divisor_ = count;
  }
  return mean;
}

std::int64_t Requantization::fixed(std::int64_t sum, std::size_t channel) const {
  if (!multipliers_.empty()) {
    const FixedMultiplier& by = multipliers_[multipliers_.size() == 1 ? 0 : channel];
    return code_of(multiply(sum, by), format_);
  }
  return code_of_quotient(sum, shifts_[shifts_.size() == 1 ? 0 : channel], divisor_, format_);
}

AddedCodes::AddedCodes(const IntegerFormat& a, const IntegerFormat& b, const IntegerFormat& y)
    : scale_a_(a.scale), scale_b_(b.scale), format_(y) {
  if (y.arithmetic.mode == RequantizationMode::kMultiplier) {
    // https://github.com/tensorflow/tensorflow/blob/master/tensorflow/lite/kernels/add.cc
    constexpr std::int64_t kByteCodes = 255;
    const std::int64_t most = std::max(a.magnitude(), b.magnitude());
    const int left = most <= kByteCodes ? 20 : 15;
    if (most >= std::int64_t{1} << (31 - left)) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("its codes less their zero points reach {}, expected less than 65536 "
                              "for sums by multipliers",
                              most));
    }
    const double scale_a = a.scale;
    const double scale_b = b.scale;
    const double common = 2 * std::max(scale_a, scale_b);
    terms_.left_a = terms_.left_b = left;
    terms_.of_a = fixed_multiplier(scale_a / common);
    terms_.of_b = fixed_multiplier(scale_b / common);
    terms_.of_sum = fixed_multiplier(common / std::ldexp(static_cast<double>(y.scale), left));
  } else if (y.arithmetic.mode == RequantizationMode::kShift) {
    const int bits_a = fraction_bits_of(a.scale);
    const int bits_b = fraction_bits_of(b.scale);
    const int common = std::max(bits_a, bits_b);
    terms_.left_a = common - bits_a;
    terms_.left_b = common - bits_b;
    constexpr int kMostApart = 32;
    if (std::max(terms_.left_a, terms_.left_b) > kMostApart) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("its operands have scales {:g} and {:g}, expected at most a factor "
                              "of 2^{} between them",
                              a.scale, b.scale, kMostApart));
    }
    terms_.right = shift_between(common, fraction_bits_of(y.scale));
  }
}

std::int64_t AddedCodes::operator()(std::int64_t a, std::int64_t b) const {
  if (format_.arithmetic.mode == RequantizationMode::kFloat) {
    const float number_a = static_cast<float>(a) * scale_a_;
    const float number_b = static_cast<float>(b) * scale_b_;
    return nearest_code((number_a + number_b) / format_.scale, format_);
  }
  const std::int64_t shifted_a = a * (std::int64_t{1} << terms_.left_a);
  const std::int64_t shifted_b = b * (std::int64_t{1} << terms_.left_b);
  if (format_.arithmetic.mode == RequantizationMode::kShift) {
    return code_of_quotient(shifted_a + shifted_b, terms_.right, 1, format_);
  }
  const std::int64_t sum = multiply(shifted_a, terms_.of_a) + multiply(shifted_b, terms_.of_b);
  return code_of(multiply(sum, terms_.of_sum), format_);
}

}  // namespace narrow
