// Operators that compute each element by itself: of one value.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include "nn/reference/reference_kernels.h"

namespace narrow::reference {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// log(1 + exp(x)) without overflow.
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

// Functions of angles and of areas; nothing for other kinds.
std::optional<double> angular(op::UnaryKind kind, double x) {
  using enum op::UnaryKind;
  switch (kind) {
    case kAcos:
      return std::acos(x);
    case kAcosh:
      return std::acosh(x);
    case kAsin:
      return std::asin(x);
    case kAsinh:
      return std::asinh(x);
    case kAtan:
      return std::atan(x);
    case kAtanh:
      return std::atanh(x);
    case kCos:
      return std::cos(x);
    case kCosh:
      return std::cosh(x);
    case kSin:
      return std::sin(x);
    case kSinh:
      return std::sinh(x);
    case kTan:
      return std::tan(x);
    case kTanh:
      return std::tanh(x);
    default:
      return std::nullopt;
  }
}

double unary(op::UnaryKind kind, double x) {
  if (const std::optional<double> result = angular(kind, x)) return *result;
  using enum op::UnaryKind;
  switch (kind) {
    case kAbs:
      return std::abs(x);
    case kCeil:
      return std::ceil(x);
    case kErf:
      return std::erf(x);
    case kExp:
      return std::exp(x);
    case kFloor:
      return std::floor(x);
    case kHardSwish:
      return x * std::clamp(x / 6 + 0.5, 0.0, 1.0);
    case kLog:
      return std::log(x);
    case kMish:
      return x * std::tanh(softplus(x));
    case kNeg:
      return -x;
    case kReciprocal:
      return 1 / x;
    case kRound:
      return std::nearbyint(x);
    case kSigmoid:
      return sigmoid(x);
    case kSign:
      return sign(x);
    case kSoftplus:
      return softplus(x);
    case kSoftsign:
      return x / (1 + std::abs(x));
    case kSqrt:
      return std::sqrt(x);
    default:
      return x;  // the results of the others are integers
  }
}

std::int64_t unary(op::UnaryKind kind, std::int64_t x, bool is_signed) {
  using enum op::UnaryKind;
  // Of the least integer the opposite is the integer itself.
  const auto opposite = static_cast<std::int64_t>(-static_cast<std::uint64_t>(x));
  switch (kind) {
    case kAbs:
      return is_signed && x < 0 ? opposite : x;
    case kNeg:
      return opposite;
    case kSign:
      return x == 0 ? 0 : is_signed && x < 0 ? -1 : 1;
    case kNot:
      return x == 0 ? 1 : 0;
    case kBitwiseNot:
      return ~x;
    default:
      return x;
  }
}

double activation(const op::Activation& of, double x) {
  using enum op::ActivationKind;
  switch (of.kind) {
    case kCelu:
      return std::max(0.0, x) + std::min(0.0, of.alpha * std::expm1(x / of.alpha));
    case kElu:
      return x < 0 ? of.alpha * std::expm1(x) : x;
    case kGelu:
      return x / 2 * (1 + std::erf(x / std::numbers::sqrt2));
    case kGeluTanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case kHardSigmoid:
      return std::clamp(of.alpha * x + of.beta, 0.0, 1.0);
    case kLeakyRelu:
      return x < 0 ? of.alpha * x : x;
    case kSelu:
      return of.beta * (x > 0 ? x : of.alpha * std::expm1(x));
    case kShrink:
      return x < -of.alpha ? x + of.beta : x > of.alpha ? x - of.beta : 0;
    case kSwish:
      return x * sigmoid(of.alpha * x);
    case kThresholdedRelu:
      return x > of.alpha ? x : 0;
  }
  return x;
}

bool is_signed(DType type) {
  return type == DType::kInt8 || type == DType::kInt16 || type == DType::kInt32 ||
         type == DType::kInt64;
}

// As an integer; values that none of 64 bits has become the nearest that one has, NaN 0.
std::int64_t to_integer(double value, DType to) {
  if (std::isnan(value)) return 0;
  if (to == DType::kUInt64 && value >= 0x1p63) {
    return value >= 0x1p64 ? -1 : static_cast<std::int64_t>(static_cast<std::uint64_t>(value));
  }
  if (value >= 0x1p63) return INT64_MAX;
  if (value < -0x1p63) return INT64_MIN;
  return static_cast<std::int64_t>(value);
}

}  // namespace

void run(const op::Relu& /*relu*/, Inputs inputs, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  y.values = inputs[0]->values;
  y.integers = inputs[0]->integers;
  for (double& value : y.values) value = std::max(value, 0.0);
  if (!is_signed(y.type)) return;
  for (std::int64_t& value : y.integers) value = std::max<std::int64_t>(value, 0);
}

void run(const op::Unary& of, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  if (of.kind == op::UnaryKind::kIsNaN) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      outputs[0].integers[i] = std::isnan(x.values[i]) ? 1 : 0;
    }
    return;
  }
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    outputs[0].values[i] = unary(of.kind, x.values[i]);
  }
  for (std::size_t i = 0; i < x.integers.size(); ++i) {
    outputs[0].integers[i] = unary(of.kind, x.integers[i], is_signed(x.type));
  }
}

void run(const op::Activation& of, Inputs inputs, Outputs outputs) {
  const std::vector<double>& x = inputs[0]->values;
  for (std::size_t i = 0; i < x.size(); ++i) outputs[0].values[i] = activation(of, x[i]);
}

void run(const op::Clip& /*clip*/, Inputs inputs, Outputs outputs) {
  const ReferenceTensor* const least = input_at(inputs, 1);
  const ReferenceTensor* const greatest = input_at(inputs, 2);
  with_number(inputs[0]->type, [&](auto zero) {
    using T = decltype(zero);
    for (std::size_t i = 0; i < inputs[0]->size(); ++i) {
      T value = number<T>(*inputs[0], i);
      if (least != nullptr && value < number<T>(*least, 0)) value = number<T>(*least, 0);
      if (greatest != nullptr && value > number<T>(*greatest, 0)) value = number<T>(*greatest, 0);
      elements<T>(outputs[0])[i] = value;
    }
  });
}

void run(const op::IsInf& is_inf, Inputs inputs, Outputs outputs) {
  for (std::size_t i = 0; i < inputs[0]->values.size(); ++i) {
    const double x = inputs[0]->values[i];
    const bool is_wanted = x > 0 ? is_inf.positive : is_inf.negative;
    outputs[0].integers[i] = std::isinf(x) && is_wanted ? 1 : 0;
  }
}

void run(const op::Cast& cast, Inputs inputs, Outputs outputs) {
  const ReferenceTensor& x = *inputs[0];
  ReferenceTensor& y = outputs[0];
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (y.is_real()) {
      y.values[i] = cast.small == SmallType::kNone
                        ? real_at(x, i)
                        : round_small(cast.small, real_at(x, i), cast.saturate, cast.rounding);
    } else if (cast.to == DType::kBool) {
      y.integers[i] = is_true(x, i) ? 1 : 0;
    } else {
      y.integers[i] = x.is_real() ? to_integer(x.values[i], cast.to) : x.integers[i];
      if (cast.small != SmallType::kNone) y.integers[i] = wrap_small(cast.small, y.integers[i]);
    }
  }
}

void run(const op::CastLike& /*cast*/, Inputs inputs, Outputs outputs) {
  run(op::Cast{inputs[1]->type}, inputs.first(1), outputs);
}

void run(const op::Dropout& /*dropout*/, Inputs inputs, Outputs outputs) {
  const ReferenceTensor* const ratio = input_at(inputs, 1);
  const ReferenceTensor* const training = input_at(inputs, 2);
  const bool drops = training != nullptr && training->size() == 1 && is_true(*training, 0) &&
                     (ratio == nullptr || ratio->size() != 1 || is_true(*ratio, 0));
  if (drops) refuse("elements are dropped at random in training only");
  outputs[0].values = inputs[0]->values;
  outputs[0].integers = inputs[0]->integers;
  std::ranges::fill(outputs[1].integers, 1);
}

}  // namespace narrow::reference
