#include "nn/training/convolutions/part_sums.h"

#include <algorithm>

#include "nn/onednn_support.h"

namespace narrow {
namespace {

constexpr std::size_t kAddedAtOnce = 16384;

}  // namespace

void add_parts(float* sum, const float* others, std::size_t step, int parts, std::size_t count) {
  if (parts == 0) return;
  const std::size_t pieces = (count + kAddedAtOnce - 1) / kAddedAtOnce;
  onednn_parallel_for(static_cast<int>(pieces), [&](int piece) {
    const std::size_t first = static_cast<std::size_t>(piece) * kAddedAtOnce;
    const std::size_t last = std::min(first + kAddedAtOnce, count);
    for (int part = 0; part < parts; ++part) {
      const float* const other = others + static_cast<std::size_t>(part) * step;
      for (std::size_t i = first; i < last; ++i) sum[i] += other[i];
    }
  });
}

}  // namespace narrow
