// Steps of the training program that have no arithmetic of their own to speak of, with their
// gradients; runs on oneDNN's threads. Internal to the training network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace narrow {

// sums += values.
void add_values(const float* values, std::size_t count, float* sums);
// y = factor * x, which may be the same place.
void scale_values(const float* x, std::size_t count, float factor, float* y);

// Channels [first, first + width) of all rows: a part of what Concat joins.
struct ChannelSlice {
  std::size_t rows = 0;
  std::size_t all_channels = 0;
  std::size_t first = 0;
  std::size_t width = 0;
};
// wide[:, first:first + width] = part.
void write_slice(const ChannelSlice& slice, const float* part, float* wide);
// part = (or, with `add`, +=) wide[:, first:first + width].
void read_slice(const ChannelSlice& slice, const float* wide, bool add, float* part);

// Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014, as
// TensorFlow scales it: each element is 0 with probability `ratio` and otherwise divided by
// 1 - ratio. Which ones is a function of seed, name, step and place alone.
struct DropoutMask {
  std::uint64_t seed = 0;
  std::string name;
  double ratio = 0;
};
// y may be the place of x, and its gradient goes the same way. Nothing is dropped for ratio 0.
void drop_values(const DropoutMask& mask, std::uint64_t step, const float* x, std::size_t count,
                 float* y);

}  // namespace narrow
