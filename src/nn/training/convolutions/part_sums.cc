#include "nn/training/convolutions/part_sums.h"

#include "nn/onednn_pieces.h"

namespace narrow {

void add_parts(float* sum, const float* others, std::size_t step, int parts, std::size_t count) {
  if (parts == 0) return;
  for_each_value_piece(count, [&](std::size_t /*piece*/, std::size_t first, std::size_t last) {
    for (int part = 0; part < parts; ++part) {
      const float* const other = others + static_cast<std::size_t>(part) * step;
      for (std::size_t i = first; i < last; ++i) sum[i] += other[i];
    }
  });
}

}  // namespace narrow
