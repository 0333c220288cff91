// Operators that compute each element by itself. Dimensions of size 1 are repeated, missing ones
// are put in front (https://onnx.ai/onnx/repo-docs/Broadcasting.html).
#pragma once

#include <cstdint>

#include "graph/operators/small_types.h"
#include "narrow/tensor.h"

namespace narrow::op {

struct Relu {
  bool operator==(const Relu&) const = default;
};

// Of two values.
struct Add {
  bool operator==(const Add&) const = default;
};

enum class UnaryKind : std::uint8_t {
  kAbs,
  kAcos,
  kAcosh,
  kAsin,
  kAsinh,
  kAtan,
  kAtanh,
  kBitwiseNot,
  kCeil,
  kCos,
  kCosh,
  kErf,
  kExp,
  kFloor,
  kHardSwish,
  kIsNaN,
  kLog,
  kMish,
  kNeg,
  kNot,
  kReciprocal,
  kRound,
  kSigmoid,
  kSign,
  kSin,
  kSinh,
  kSoftplus,
  kSoftsign,
  kSqrt,
  kTan,
  kTanh,
};
struct Unary {
  UnaryKind kind = UnaryKind::kAbs;
  bool operator==(const Unary&) const = default;
};

// Activations with parameters.
enum class ActivationKind : std::uint8_t {
  kCelu,             // alpha
  kElu,              // alpha
  kGelu,             // by the error function
  kGeluTanh,         // its approximation by tanh
  kHardSigmoid,      // alpha, beta
  kLeakyRelu,        // alpha
  kSelu,             // alpha, beta: gamma
  kShrink,           // alpha: lambda, beta: bias
  kSwish,            // alpha
  kThresholdedRelu,  // alpha
};
struct Activation {
  ActivationKind kind = ActivationKind::kElu;
  double alpha = 1;
  double beta = 0;
  bool operator==(const Activation&) const = default;
};

// Inputs: x, and possibly the least and the greatest value.
struct Clip {
  bool operator==(const Clip&) const = default;
};

// Inputs: x, slope for negative elements.
struct PRelu {
  bool operator==(const PRelu&) const = default;
};

enum class BinaryKind : std::uint8_t {
  kSub,
  kMul,
  kDiv,
  kPow,        // the result has the type of the base
  kMod,        // of integers with the sign of the divisor
  kRemainder,  // Mod with fmod = 1: with the sign of the dividend
  kBitwiseAnd,
  kBitwiseOr,
  kBitwiseXor,
  kShiftLeft,
  kShiftRight,
};
struct Binary {
  BinaryKind kind = BinaryKind::kSub;
  bool operator==(const Binary&) const = default;
};

// Of one or more values.
enum class VariadicKind : std::uint8_t { kMax, kMean, kMin, kSum };
struct Variadic {
  VariadicKind kind = VariadicKind::kSum;
  bool operator==(const Variadic&) const = default;
};

enum class CompareKind : std::uint8_t {
  kEqual,
  kGreater,
  kGreaterOrEqual,
  kLess,
  kLessOrEqual,
};
struct Compare {
  CompareKind kind = CompareKind::kEqual;
  bool operator==(const Compare&) const = default;
};

enum class LogicalKind : std::uint8_t { kAnd, kOr, kXor };
struct Logical {
  LogicalKind kind = LogicalKind::kAnd;
  bool operator==(const Logical&) const = default;
};

// Inputs: condition, what is taken where it holds, what is taken elsewhere.
struct Where {
  bool operator==(const Where&) const = default;
};

struct IsInf {
  bool positive = true;
  bool negative = true;
  bool operator==(const IsInf&) const = default;
};

// To a small type, which `to` holds, it rounds or wraps to that.
struct Cast {
  DType to = DType::kFloat32;
  SmallType small = SmallType::kNone;
  bool saturate = true;                         // of floating-point types of 8 bits
  PowerRounding rounding = PowerRounding::kUp;  // of kFloat8E8M0
  bool operator==(const Cast&) const = default;
};

// Inputs: x, a value whose type the result has.
struct CastLike {
  bool operator==(const CastLike&) const = default;
};

// Inputs: x, and possibly the ratio and whether it is applied. A second output says which elements
// were kept. Only without effect, as in inference.
struct Dropout {
  bool operator==(const Dropout&) const = default;
};

}  // namespace narrow::op
