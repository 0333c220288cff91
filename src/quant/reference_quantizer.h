// The formulas of docs/numerics.md, one value at a time, written to be read. Every kernel must give
// the same bits; tests, fuzzers and benchmarks compare against these functions.
#pragma once

#include <cstdint>
#include <span>

#include "narrow/quantize_values.h"

namespace narrow {

std::int64_t reference_code(float value, const Scheme& scheme, const BlockParams& params);

// Whether the value is rounded to an integer that is no code.
bool reference_overflows(float value, const Scheme& scheme, const BlockParams& params);

// Before it is rounded to the type of the tensor.
double reference_value(std::int64_t code, const Scheme& scheme, const BlockParams& params);

// Rounded to float32, the largest finite value at most.
float reference_float(double value);

// The sums of one piece (at most kPieceElements values), with lanes and chunks written out.
ErrorSums reference_sums(std::span<const double> original, std::span<const double> restored);

}  // namespace narrow
