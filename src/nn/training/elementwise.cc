#include "nn/training/elementwise.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/random.h"
#include "nn/onednn_pieces.h"
#include "nn/training/normalization/row_sums.h"

namespace narrow {
namespace {

template <typename Body>
void for_each_row(const ChannelSlice& slice, const Body& body) {
  for_each_row_part(slice.rows, slice.width, [&](std::size_t first, std::size_t rows) {
    for (std::size_t row = first; row < first + rows; ++row) {
      body(row * slice.width, row * slice.all_channels + slice.first);
    }
  });
}

}  // namespace

void add_values(const float* values, std::size_t count, float* sums) {
  for_each_value_piece(count, [&](std::size_t /*piece*/, std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) sums[i] += values[i];
  });
}

void scale_values(const float* x, std::size_t count, float factor, float* y) {
  for_each_value_piece(count, [&](std::size_t /*piece*/, std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) y[i] = x[i] * factor;
  });
}

void write_slice(const ChannelSlice& slice, const float* part, float* wide) {
  for_each_row(slice, [&](std::size_t at, std::size_t wide_at) {
    std::copy_n(part + at, slice.width, wide + wide_at);
  });
}

void read_slice(const ChannelSlice& slice, const float* wide, bool add, float* part) {
  for_each_row(slice, [&](std::size_t at, std::size_t wide_at) {
    if (!add) {
      std::copy_n(wide + wide_at, slice.width, part + at);
      return;
    }
    for (std::size_t c = 0; c < slice.width; ++c) part[at + c] += wide[wide_at + c];
  });
}

void drop_values(const DropoutMask& mask, std::uint64_t step, const float* x, std::size_t count,
                 float* y) {
  const auto scale = static_cast<float>(1 / (1 - mask.ratio));
  // Each piece has a stream of its own.
  for_each_value_piece(count, [&](std::size_t piece, std::size_t first, std::size_t last) {
    if (mask.ratio == 0) {
      std::copy(x + first, x + last, y + first);
      return;
    }
    RandomStream stream(mask.seed, fmt::format("{}/{}/{}", mask.name, step, piece));
    for (std::size_t i = first; i < last; ++i) {
      y[i] = stream.uniform() >= mask.ratio ? x[i] * scale : 0.0F;
    }
  });
}

}  // namespace narrow
