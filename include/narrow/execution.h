// How a network with quantized values is computed. docs/integers.md compares the three.
#pragma once

#include <string_view>

#include "narrow/export.h"

namespace narrow {

enum class Execution {
  kDefault,   // kInteger where values between operators are codes, else kFloat
  kFloat,     // values between operators are not quantized; weights are what their codes stand for
  kSimulate,  // quantized values, computed in floating point as the operators are defined
  kInteger,   // exact integers between QuantizeLinear and DequantizeLinear: the same on every CPU
};

// "default", "float", "simulate", "integer"; parse_execution takes the same and throws
// Error(kUsage).
NARROW_EXPORT std::string_view to_string(Execution execution) noexcept;
NARROW_EXPORT Execution parse_execution(std::string_view name);

}  // namespace narrow
