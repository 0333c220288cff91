// Operators that compute each element by itself: of several values.
#include <algorithm>
#include <cmath>

#include "nn/reference/reference_kernels.h"

namespace narrow::reference {
namespace {

std::uint64_t bits(std::int64_t value) { return static_cast<std::uint64_t>(value); }
std::int64_t wrapped(std::uint64_t value) { return static_cast<std::int64_t>(value); }

double binary(op::BinaryKind kind, double a, double b) {
  using enum op::BinaryKind;
  switch (kind) {
    case kSub:
      return a - b;
    case kMul:
      return a * b;
    case kDiv:
      return a / b;
    case kPow:
      return std::pow(a, b);
    case kMod: {
      const double rest = std::fmod(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
    case kRemainder:
      return std::fmod(a, b);
    default:
      refuse("bits of values of a floating-point type");
  }
}

// The power, wrapped; of a negative exponent the integer part.
std::int64_t power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  std::uint64_t result = 1;
  std::uint64_t factor = bits(base);
  for (std::uint64_t rest = bits(exponent); rest != 0; rest >>= 1) {
    if ((rest & 1) != 0) result *= factor;
    factor *= factor;
  }
  return wrapped(result);
}

// Division by zero gives 0, as NumPy has it.
template <typename T>
T divide(T a, T b) {
  if (b == 0) return 0;
  if (b == static_cast<T>(-1) && std::is_signed_v<T>) {
    return static_cast<T>(-static_cast<std::uint64_t>(a));
  }
  return a / b;
}

template <typename T>
T remainder(T a, T b) {
  if (b == 0 || (b == static_cast<T>(-1) && std::is_signed_v<T>)) return 0;
  return a % b;
}

template <typename T>
T binary(op::BinaryKind kind, T a, T b) {
  const auto x = static_cast<std::uint64_t>(a);
  const auto y = static_cast<std::uint64_t>(b);
  using enum op::BinaryKind;
  switch (kind) {
    case kSub:
      return static_cast<T>(x - y);
    case kMul:
      return static_cast<T>(x * y);
    case kDiv:
      return divide(a, b);
    case kPow:
      return static_cast<T>(power(static_cast<std::int64_t>(a), static_cast<std::int64_t>(b)));
    case kMod: {
      const T rest = remainder(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
    }
    case kRemainder:
      return remainder(a, b);
    case kBitwiseAnd:
      return static_cast<T>(x & y);
    case kBitwiseOr:
      return static_cast<T>(x | y);
    case kBitwiseXor:
      return static_cast<T>(x ^ y);
    case kShiftLeft:
      return y < 64 ? static_cast<T>(x << y) : 0;
    case kShiftRight:
      return y < 64 ? static_cast<T>(x >> y) : 0;
  }
  return 0;
}

template <typename T>
bool compare(op::CompareKind kind, T a, T b) {
  using enum op::CompareKind;
  switch (kind) {
    case kEqual:
      return a == b;
    case kGreater:
      return a > b;
    case kGreaterOrEqual:
      return a >= b;
    case kLess:
      return a < b;
    case kLessOrEqual:
      return a <= b;
  }
  return false;
}

template <typename T>
T join(op::VariadicKind kind, T a, T b) {
  using enum op::VariadicKind;
  switch (kind) {
    case kMax:
      return a != a || a > b ? a : b;  // NaN wins
    case kMin:
      return a != a || a < b ? a : b;
    case kMean:
    case kSum:
      if constexpr (std::is_same_v<T, double>) return a + b;
      return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  }
  return a;
}

// y[i] = combine(a, b) in the type in which the inputs are computed.
template <typename Combine>
void for_two(Inputs inputs, const Shape& shape, const Combine& combine) {
  with_number(inputs[0]->type, [&](auto zero) {
    using T = decltype(zero);
    for_each_broadcast(shape, inputs.first(2),
                       [&](std::size_t i, const std::vector<std::size_t>& from) {
                         combine(i, number<T>(*inputs[0], from[0]), number<T>(*inputs[1], from[1]));
                       });
  });
}

// A power whose base and exponent are of different types.
void mixed_power(Inputs inputs, ReferenceTensor& y) {
  for_each_broadcast(y.shape, inputs, [&](std::size_t i, const std::vector<std::size_t>& from) {
    const double result = std::pow(real_at(*inputs[0], from[0]), real_at(*inputs[1], from[1]));
    if (y.is_real()) {
      y.values[i] = result;
    } else {
      y.integers[i] = std::abs(result) < 0x1p63 ? static_cast<std::int64_t>(result) : 0;
    }
  });
}

}  // namespace

void run(const op::Add& /*add*/, Inputs inputs, Outputs outputs) {
  run(op::Variadic{op::VariadicKind::kSum}, inputs, outputs);
}

void run(const op::PRelu& /*prelu*/, Inputs inputs, Outputs outputs) {
  for_two(inputs, outputs[0].shape, [&](std::size_t i, auto x, auto slope) {
    using T = decltype(x);
    elements<T>(outputs[0])[i] = x < 0 ? static_cast<T>(x * slope) : x;
  });
}

void run(const op::Binary& of, Inputs inputs, Outputs outputs) {
  if (of.kind == op::BinaryKind::kPow && inputs[0]->is_real() != inputs[1]->is_real()) {
    mixed_power(inputs, outputs[0]);
    return;
  }
  for_two(inputs, outputs[0].shape, [&](std::size_t i, auto a, auto b) {
    using T = decltype(a);
    using Stored = std::conditional_t<std::is_same_v<T, double>, double, std::int64_t>;
    elements<T>(outputs[0])[i] = static_cast<Stored>(binary(of.kind, a, b));
  });
}

void run(const op::Variadic& of, Inputs inputs, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  with_number(y.type, [&](auto zero) {
    using T = decltype(zero);
    auto& to = elements<T>(y);
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      for_each_broadcast(
          y.shape, inputs.subspan(k, 1), [&](std::size_t i, const std::vector<std::size_t>& from) {
            const T value = number<T>(*inputs[k], from[0]);
            const T joined = k == 0 ? value : join<T>(of.kind, static_cast<T>(to[i]), value);
            to[i] = static_cast<std::decay_t<decltype(to[i])>>(joined);
          });
    }
  });
  if (of.kind != op::VariadicKind::kMean) return;
  for (double& value : y.values) value /= static_cast<double>(inputs.size());
}

void run(const op::Compare& of, Inputs inputs, Outputs outputs) {
  for_two(inputs, outputs[0].shape, [&](std::size_t i, auto a, auto b) {
    outputs[0].integers[i] = compare(of.kind, a, b) ? 1 : 0;
  });
}

void run(const op::Logical& of, Inputs inputs, Outputs outputs) {
  for_two(inputs, outputs[0].shape, [&](std::size_t i, auto a, auto b) {
    const bool holds = of.kind == op::LogicalKind::kAnd  ? a != 0 && b != 0
                       : of.kind == op::LogicalKind::kOr ? a != 0 || b != 0
                                                         : (a != 0) != (b != 0);
    outputs[0].integers[i] = holds ? 1 : 0;
  });
}

void run(const op::Where& /*where*/, Inputs inputs, Outputs outputs) {
  ReferenceTensor& y = outputs[0];
  for_each_broadcast(y.shape, inputs, [&](std::size_t i, const std::vector<std::size_t>& from) {
    const std::size_t taken = inputs[0]->integers[from[0]] != 0 ? 1 : 2;
    if (y.is_real()) {
      y.values[i] = inputs[taken]->values[from[taken]];
    } else {
      y.integers[i] = inputs[taken]->integers[from[taken]];
    }
  });
}

}  // namespace narrow::reference
