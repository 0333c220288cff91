// How exact sums of codes become codes of a result. docs/integers.md, "Arithmetic", has every
// formula.
#pragma once

#include <string>
#include <string_view>

#include "narrow/export.h"
#include "narrow/fixed_format.h"

namespace narrow {

enum class RequantizationMode {
  kFloat,       // by a factor, in float32: ONNX Runtime's
  kMultiplier,  // by a multiplier of 31 bits and a shift: that of TensorFlow Lite's own kernels
  kShift,       // by a shift: all scales are powers of two
};

struct IntegerArithmetic {
  RequantizationMode mode = RequantizationMode::kFloat;
  // Of kShift only.
  RoundMode round_mode = RoundMode::kHalfEven;
  Overflow overflow = Overflow::kSaturate;
  bool operator==(const IntegerArithmetic&) const = default;
};

// "float", "multiplier", "shift"; parse_requantization takes the same and throws Error(kUsage).
NARROW_EXPORT std::string_view to_string(RequantizationMode mode) noexcept;
NARROW_EXPORT RequantizationMode parse_requantization(std::string_view name);

// "float", "multiplier", "shift, round floor, overflow wrap".
NARROW_EXPORT std::string to_text(const IntegerArithmetic& arithmetic);

// Throws Error(kUsage) for a round mode or an overflow that is not the default where nothing is
// shifted.
NARROW_EXPORT void check(const IntegerArithmetic& arithmetic);

}  // namespace narrow
