// How the values of a tensor lie before and after quantization.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/sweep.h"

namespace narrow {

// Counts in equal bins over [lo, hi], the range of the original values; values outside are counted
// in the bins at the ends.
struct ValueHistograms {
  TensorInfo info;
  double lo = 0;
  double hi = 0;
  std::vector<std::uint64_t> original;
  std::vector<std::vector<std::uint64_t>> restored;  // one a scheme
};

// Reads a tensor of finite floating-point values, on `threads` threads (0: all cores). Throws
// Error(kNumeric) for others, and what the reader throws.
NARROW_EXPORT ValueHistograms value_histograms(const CheckpointReader& reader, std::size_t index,
                                               std::span<const Scheme> schemes, std::size_t bins,
                                               int threads = 0);

// Positions in `result.tensors` of those worth a look: the largest one, and the one with the
// greatest relative error under `scheme` among those of rank 2 and more, or of all when there is
// none. One or two positions, none without measured tensors.
NARROW_EXPORT std::vector<std::size_t> telling_tensors(const SweepResult& result,
                                                       std::size_t scheme);

}  // namespace narrow
