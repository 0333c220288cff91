// What makes codes of sums, in C: nn/integer/requantization.h in other words. Float32 is computed
// in integers, as a mantissa of 24 bits and an exponent, so that neither the compiler's options nor
// the processor have a say in what comes out.
#include <string>

#include "nn/c_network/c_kernels.h"

namespace narrow::c_network {
namespace {

constexpr std::string_view kFloatBase = R"(
/* mantissa * 2^exponent, not negative */
typedef struct {
  uint64_t mantissa;
  int32_t exponent;
} real;

static int32_t bit_length(uint64_t value)
{
  int32_t bits = 0;
  if ((value >> 32) != 0) { bits += 32; value >>= 32; }
  if ((value >> 16) != 0) { bits += 16; value >>= 16; }
  if ((value >> 8) != 0) { bits += 8; value >>= 8; }
  while (value != 0) { ++bits; value >>= 1; }
  return bits;
}

static uint64_t magnitude(int64_t value)
{
  return value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value;
}

/* value / 2^shift, ties to even; shift is from 1 to 63. */
static uint64_t nearest_shift(uint64_t value, int32_t shift)
{
  const uint64_t half = (uint64_t)1 << (shift - 1);
  const uint64_t rest = value & (2 * half - 1);
  const uint64_t below = value >> (shift - 1) >> 1;
  return rest > half || (rest == half && (below & 1) != 0) ? below + 1 : below;
}

/* As float32 rounds it: to 24 bits. */
static real rounded(uint64_t mantissa, int32_t exponent)
{
  const int32_t excess = bit_length(mantissa) - 24;
  real value;
  value.mantissa = excess > 0 ? nearest_shift(mantissa, excess) : mantissa;
  value.exponent = excess > 0 ? exponent + excess : exponent;
  return value;
}

static int32_t nearest_code(real value, int negative, const result_format *to)
{
  int64_t code = 0;
  if (value.mantissa == 0) code = 0;
  else if (value.exponent > 30) code = INT32_MAX;
  else if (value.exponent >= 0) code = (int64_t)(value.mantissa << value.exponent);
  else if (value.exponent > -64) code = (int64_t)nearest_shift(value.mantissa, -value.exponent);
  if (negative) code = -code;
  if (code < to->least) return to->least;
  return code > to->greatest ? to->greatest : (int32_t)code;
}
)";

constexpr std::string_view kFloatLinear = R"(
/* nearest(float(float(sum) * factor)) within the codes */
static int32_t requantize(int64_t sum, const result_format *to, int32_t channel)
{
  const int32_t at = to->per_channel * channel;
  const real number = rounded(magnitude(sum), 0);
  const real product = rounded(number.mantissa * (uint64_t)to->factors[at],
                               number.exponent + to->shifts[at]);
  return nearest_code(product, sum < 0, to);
}
)";

constexpr std::string_view kFloatAdd = R"(
/* nearest(float(float(float(a * scale_a) + float(b * scale_b)) / scale_y)) within the codes */
static int32_t added(int32_t a, int32_t b, const add_layer *layer)
{
  const real real_a = rounded(magnitude(a) * (uint64_t)layer->scale_a, layer->exponent_a);
  const real real_b = rounded(magnitude(b) * (uint64_t)layer->scale_b, layer->exponent_b);
  const int32_t unit = real_a.exponent < real_b.exponent ? real_a.exponent : real_b.exponent;
  const int64_t term_a = (int64_t)(real_a.mantissa << (real_a.exponent - unit));
  const int64_t term_b = (int64_t)(real_b.mantissa << (real_b.exponent - unit));
  const int64_t sum = (a < 0 ? -term_a : term_a) + (b < 0 ? -term_b : term_b);
  real dividend = rounded(magnitude(sum), unit);
  uint64_t quotient;
  if (dividend.mantissa != 0) {
    const int32_t shift = 63 - bit_length(dividend.mantissa);
    dividend.mantissa <<= shift;
    dividend.exponent -= shift;
  }
  quotient = dividend.mantissa / (uint64_t)layer->scale_y;
  /* The lowest bit is far below what is kept; it stands for all that is cut off. */
  if (dividend.mantissa % (uint64_t)layer->scale_y != 0) quotient |= 1;
  return nearest_code(rounded(quotient, dividend.exponent - layer->exponent_y), sum < 0,
                      &layer->to);
}
)";

constexpr std::string_view kFloatMean = R"(
/* Of a sum of `count` elements; a factor for each count, or one. */
static int32_t mean_code(int64_t sum, int32_t count, const result_format *to)
{
  return count == 0 ? to->least : requantize(sum, to, count - 1);
}
)";

constexpr std::string_view kClamp = R"(
static int32_t to_code(int64_t number, const result_format *to)
{
  if (number < to->least) return to->least;
  return number > to->greatest ? to->greatest : (int32_t)number;
}
)";

constexpr std::string_view kBoundedHead = R"(
static int32_t to_code(int64_t number, const result_format *to)
{
  if (number < to->bound_least) number = to->bound_least;
  if (number > to->bound_greatest) number = to->bound_greatest;
  if (number >= to->least && number <= to->greatest) return (int32_t)number;
)";
constexpr std::string_view kZeroTail = R"(  return 0;
}
)";
constexpr std::string_view kWrapTail = R"(  {
    const int64_t codes = (int64_t)to->greatest - to->least + 1;
    const int64_t rest = (number - to->least) % codes;
    return (int32_t)(to->least + (rest < 0 ? rest + codes : rest));
  }
}
)";

constexpr std::string_view kMultiplierBase = R"(
/* value * multiplier * 2^(shift - 31), rounded twice: the high half of the doubled product, then
   the shift, ties away from zero. What is too large for 32 bits is saturated first. */
static int64_t multiply(int64_t value, int32_t multiplier, int32_t shift)
{
  const int64_t half = (int64_t)1 << 30;
  int64_t product;
  int64_t high;
  if (shift > 0) value *= (int64_t)1 << (shift < 31 ? shift : 31);
  if (value > INT32_MAX) value = INT32_MAX;
  if (value < INT32_MIN) value = INT32_MIN;
  product = value * multiplier;
  high = (product + (product >= 0 ? half : 1 - half)) / (2 * half);
  if (shift < 0) {
    const int64_t whole = (int64_t)1 << -shift;
    high = (high + (high >= 0 ? whole / 2 : -(whole / 2))) / whole;
  }
  return high;
}
)";

constexpr std::string_view kMultiplierLinear = R"(
static int32_t requantize(int64_t sum, const result_format *to, int32_t channel)
{
  const int32_t at = to->per_channel * channel;
  return to_code(multiply(sum, to->factors[at], to->shifts[at]), to);
}
)";

constexpr std::string_view kMultiplierAdd = R"(
static int32_t added(int32_t a, int32_t b, const add_layer *layer)
{
  const int64_t left = (int64_t)1 << layer->left;
  const int64_t sum = multiply(a * left, layer->multiplier_a, layer->shift_a) +
                      multiply(b * left, layer->multiplier_b, layer->shift_b);
  return to_code(multiply(sum, layer->multiplier_y, layer->shift_y), &layer->to);
}
)";

constexpr std::string_view kMultiplierMean = R"(
/* Of a sum of `count` elements; a factor for each count, or one. */
static int32_t mean_code(int64_t sum, int32_t count, const result_format *to)
{
  return count == 0 ? to_code(0, to) : requantize(sum, to, count - 1);
}
)";

constexpr std::string_view kShiftBase = R"(
/* numerator / denominator as an integer; the denominator is positive. */
static int64_t rounded_quotient(int64_t numerator, int64_t denominator)
{
  int64_t below = numerator / denominator;
  int64_t rest = numerator % denominator;
  if (rest < 0) { --below; rest += denominator; }
  return ROUND_UP ? below + 1 : below;
}

static int64_t scaled(int64_t number, int32_t shift, int64_t divisor)
{
  if (shift < 0) return rounded_quotient(number * ((int64_t)1 << -shift), divisor);
  return rounded_quotient(number, divisor * ((int64_t)1 << shift));
}
)";

constexpr std::string_view kShiftLinear = R"(
static int32_t requantize(int64_t sum, const result_format *to, int32_t channel)
{
  return to_code(scaled(sum, to->shifts[to->per_channel * channel], 1), to);
}
)";

constexpr std::string_view kShiftAdd = R"(
static int32_t added(int32_t a, int32_t b, const add_layer *layer)
{
  const int64_t sum = a * ((int64_t)1 << layer->left_a) + b * ((int64_t)1 << layer->left_b);
  return to_code(scaled(sum, layer->right, 1), &layer->to);
}
)";

constexpr std::string_view kShiftMean = R"(
/* Of a sum of `count` elements. */
static int32_t mean_code(int64_t sum, int32_t count, const result_format *to)
{
  return to_code(scaled(sum, to->shifts[0], count == 0 ? 1 : count), to);
}
)";

// Whether the integer above is the result, in terms of rounded_quotient.
std::string_view round_up_condition(RoundMode mode) {
  switch (mode) {
    case RoundMode::kHalfEven:
      return "rest > denominator - rest || (rest == denominator - rest && below % 2 != 0)";
    case RoundMode::kHalfUp:
      return "rest >= denominator - rest";
    case RoundMode::kHalfAway:
      return "rest > denominator - rest || (rest == denominator - rest && numerator >= 0)";
    case RoundMode::kHalfZero:
      return "rest > denominator - rest || (rest == denominator - rest && numerator < 0)";
    case RoundMode::kHalfDown:
      return "rest > denominator - rest";
    case RoundMode::kFloor:
      return "";
    case RoundMode::kZero:
      return "rest != 0 && numerator < 0";
  }
  return "";
}

bool has_bounds(Overflow overflow) {
  return overflow == Overflow::kZero || overflow == Overflow::kWrap;
}

std::string clamp_text(Overflow overflow) {
  if (!has_bounds(overflow)) return std::string(kClamp);
  std::string text(kBoundedHead);
  return text.append(overflow == Overflow::kZero ? kZeroTail : kWrapTail);
}

std::string shift_base_text(RoundMode mode) {
  constexpr std::string_view kPlace = "ROUND_UP ? below + 1 : below";
  std::string text(kShiftBase);
  const std::string condition(round_up_condition(mode));
  const std::string result =
      condition.empty() ? "below" : "(" + condition + ") ? below + 1 : below";
  return text.replace(text.find(kPlace), kPlace.size(), result);
}

}  // namespace

std::string requantization_text(const IntegerArithmetic& arithmetic, const RequantizationUse& use) {
  if (!use.linear && !use.add && !use.mean) return "";
  std::string text;
  // Means of other arithmetics are requantized as products are.
  const bool is_shift = arithmetic.mode == RequantizationMode::kShift;
  const bool linear = use.linear || (use.mean && !is_shift);
  const auto append = [&](std::string_view base, std::string_view of_linear,
                          std::string_view of_add, std::string_view of_mean) {
    text.append(base);
    if (linear) text.append(of_linear);
    if (use.add) text.append(of_add);
    if (use.mean) text.append(of_mean);
  };
  switch (arithmetic.mode) {
    case RequantizationMode::kFloat:
      append(kFloatBase, kFloatLinear, kFloatAdd, kFloatMean);
      break;
    case RequantizationMode::kMultiplier:
      text = clamp_text(Overflow::kSaturate);
      append(kMultiplierBase, kMultiplierLinear, kMultiplierAdd, kMultiplierMean);
      break;
    case RequantizationMode::kShift:
      text = clamp_text(arithmetic.overflow);
      append(shift_base_text(arithmetic.round_mode), kShiftLinear, kShiftAdd, kShiftMean);
  }
  return text;
}

std::string format_text(const IntegerArithmetic& arithmetic) {
  std::string text = R"(
/* The codes of a result. */
typedef struct {
)";
  switch (arithmetic.mode) {
    case RequantizationMode::kFloat:
      text +=
          "  const int32_t *factors;  /* of sums, times 2^shift */\n"
          "  const int8_t *shifts;\n";
      break;
    case RequantizationMode::kMultiplier:
      text +=
          "  const int32_t *factors;  /* of sums, times 2^(shift - 31) */\n"
          "  const int8_t *shifts;\n";
      break;
    case RequantizationMode::kShift:
      text += "  const int8_t *shifts;  /* of sums, to the right */\n";
  }
  text += R"(  int32_t per_channel;  /* 1: one for each output channel, 0: one for all */
  int32_t least;        /* less the zero point */
  int32_t greatest;
  int32_t zero;
)";
  if (has_bounds(arithmetic.overflow)) {
    text +=
        "  int64_t bound_least;  /* of the activation, before an overflow */\n"
        "  int64_t bound_greatest;\n";
  }
  return text + "} result_format;\n";
}

std::string add_layer_text(const IntegerArithmetic& arithmetic) {
  std::string text = R"(
typedef struct {
  int32_t count;
  int32_t zero_a;
  int32_t zero_b;
)";
  switch (arithmetic.mode) {
    case RequantizationMode::kFloat:
      text +=
          "  int32_t scale_a;  /* times 2^exponent_a */\n  int32_t exponent_a;\n"
          "  int32_t scale_b;\n  int32_t exponent_b;\n  int32_t scale_y;\n  int32_t exponent_y;\n";
      break;
    case RequantizationMode::kMultiplier:
      text +=
          "  int32_t left;  /* shift of both */\n"
          "  int32_t multiplier_a;\n  int32_t shift_a;\n  int32_t multiplier_b;\n"
          "  int32_t shift_b;\n  int32_t multiplier_y;\n  int32_t shift_y;\n";
      break;
    case RequantizationMode::kShift:
      text += "  int32_t left_a;\n  int32_t left_b;\n  int32_t right;\n";
  }
  return text + "  result_format to;\n} add_layer;\n";
}

}  // namespace narrow::c_network
