// The parameters of a block from its values, and how many of these they clip.
#pragma once

#include <cstddef>
#include <span>

#include "narrow/scheme.h"
#include "quant/blocks/scan_result.h"
#include "quant/fitting/value_fit.h"

namespace narrow {

// What fit (narrow/quantize_values.h) gives, and throws; ValueFit::clipped is counted for schemes
// that are fitted to all values (fit_needs_values), 0 for others.
ValueFit fit_values(std::span<const float> values, const Scheme& scheme);

// Throws Error(kNumeric): `found` of so many values cannot be quantized.
[[noreturn]] void refuse_non_finite(const NonFinite& found, std::size_t values);

}  // namespace narrow
