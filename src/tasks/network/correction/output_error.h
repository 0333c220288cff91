// What the errors of a layer's values do to its output.
#pragma once

#include <span>
#include <vector>

#include "tasks/network/correction/layer_values.h"
#include "tasks/network/rectified_normal.h"

namespace narrow {

// Powers summed over the output channels of a layer.
struct OutputError {
  double noise = 0;   // mean square of quantized less float output
  double signal = 0;  // variance of the float output

  // sqrt(noise / signal); 0 when both are 0, +infinity when only the signal is.
  [[nodiscard]] double relative() const;
};

// Told from the moments of the input channels: pixels are taken as independent of each other, so
// that with d_j the difference of slope * weight, the noise of an output channel is
// (sum_j d_j E[r_j] + difference of offsets)^2 + sum_j d_j^2 Var(r_j).
OutputError estimate_output_error(const LayerValues& before, const LayerValues& after,
                                  std::span<const Moments> inputs);

// Mean and variance of w_c x over the output channels c, told in the same way.
std::vector<Moments> estimate_products(const LayerValues& layer, std::span<const Moments> inputs);

}  // namespace narrow
