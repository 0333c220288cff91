// Gives every output channel of a convolution the same loading of one range for the whole tensor.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "narrow/scheme.h"
#include "narrow/tensor.h"

namespace narrow {

// Throws Error(kUsage) naming the weight unless it has one range for the whole tensor.
void require_one_range(const Scheme& scheme, std::string_view name);

struct AbsorbedScales {
  std::vector<double> factors;  // of the output channels, at least 1
  double bound = 1;             // the range of all of them is then [-bound, bound]
};

// Factors bound / clip_c for weights [height, width, in, out] to be quantized with `scheme` and one
// range for the whole tensor. clip_c is what the scheme's range makes of the channel alone: its
// largest weight (minmax); the clip with the least squared error at this width, searched among
// largest * 2^(-k/16), k = 0..63 (mse); the farther end of the range otherwise. Each tap counts by
// its share in `tap_shares`, how often it lies inside the image: in the squared error, and taps
// that never do not at all. `bound` is the
// least power of two (fixed-point: 2^m (1 - 2^(1-B)), the largest code on the binary grid) that
// makes no factor less than 1, so that the batch norm can always take the factors back. No factor
// is above 2^20: a channel that is nearly zero stays so. Same bits on every CPU and with every
// number of threads. Throws Error(kUsage) for fixed-point with decimal scaling or 1 bit.
AbsorbedScales absorbable_scales(std::span<const float> weights, const Shape& shape,
                                 std::span<const double> tap_shares, const Scheme& scheme);

}  // namespace narrow
