// Operators that look at images through windows, and whole images; x is [N, channels, axes...].
#pragma once

#include <cstdint>
#include <vector>

#include "graph/operators/window.h"

namespace narrow::op {

// Inputs: x, weights [out, in / group, kernel...], and possibly biases [out].
struct Conv {
  Window window;
  std::int64_t group = 1;
  bool operator==(const Conv&) const = default;
};

// Inputs: x, weights [in, out / group, kernel...], and possibly biases [out]. Window::pads take
// away from the result.
struct ConvTranspose {
  Window window;
  std::int64_t group = 1;
  std::vector<std::int64_t> output_padding;  // added at the end of each axis
  std::vector<std::int64_t> output_shape;    // of these axes; empty: what the window gives
  bool operator==(const ConvTranspose&) const = default;
};

// The padding never wins. A second output has the place of each largest element in x, as one index
// into all of x.
struct MaxPool {
  Window window;
  bool ceil_mode = false;
  bool column_major_places = false;  // storage_order: the first of the window's axes runs fastest
  bool operator==(const MaxPool&) const = default;
};

struct AveragePool {
  Window window;
  bool ceil_mode = false;
  bool count_include_pad = false;
  bool operator==(const AveragePool&) const = default;
};

// (mean of |x|^p, without dividing)^(1/p)
struct LpPool {
  Window window;
  bool ceil_mode = false;
  std::int64_t p = 2;
  bool operator==(const LpPool&) const = default;
};

// The mean over all axes after the channels', which keep size 1.
struct GlobalAveragePool {
  bool operator==(const GlobalAveragePool&) const = default;
};

// The largest element in the same place.
struct GlobalMaxPool {
  bool operator==(const GlobalMaxPool&) const = default;
};

// x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta
struct LocalResponseNormalization {
  double alpha = 1e-4;
  double beta = 0.75;
  double bias = 1;
  std::int64_t size = 1;
  bool operator==(const LocalResponseNormalization&) const = default;
};

}  // namespace narrow::op
