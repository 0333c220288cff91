// The errors of several tensors in a few numbers.
#pragma once

#include <cstdint>

#include "narrow/export.h"
#include "narrow/quantize_values.h"

namespace narrow {

// Relative L2 error over the quantized tensors: least, greatest, plain average, and of all their
// values taken as one vector. All 0 without quantized tensors.
struct NARROW_EXPORT ErrorSummary {
  std::uint64_t quantized = 0;  // tensors
  double min_relative_l2 = 0;
  double max_relative_l2 = 0;
  double mean_relative_l2 = 0;
  ErrorSums pooled;  // merged in the order of the calls
  double sum_relative_l2 = 0;

  // One more tensor.
  void add(const ErrorSums& errors);
};

}  // namespace narrow
