// What the errors of a layer's values do to its output.
#pragma once

#include <vector>

#include "graph/tap_coverage.h"
#include "methods/moments/rectified_normal.h"
#include "nn/layerwise/layer_values.h"

namespace narrow {

// Powers summed over the output channels of a layer.
struct OutputError {
  double noise = 0;   // mean square of quantized less float output
  double signal = 0;  // variance of the float output

  // sqrt(noise / signal); 0 when both are 0, +infinity when only the signal is.
  [[nodiscard]] double relative() const;
};

// What a layer sees, estimated from the checkpoint: the moments of its input channels, pixels and
// channels being independent of each other and zero outside the image.
struct InputModel {
  std::vector<Moments> channels;
  TapCoverage taps;
};

// Mean and variance of w_c x over the output channels c, over images and output pixels. With V a
// view of the taps and s_V its share, p_t the share of tap t:
//   mean_V = sum_j,t in V w_tj E[r_j],    E[w x] = sum_V s_V mean_V
//   E[(w x)^2] = sum_V s_V mean_V^2 + sum_t,j p_t w_tj^2 Var(r_j)
std::vector<Moments> estimate_products(const LayerValues& layer, const InputModel& inputs);

// The noise is that of the products with the differences of slope * weight as weights, those of the
// offsets added to every mean_V; the signal is the variance of slope * (w x).
OutputError estimate_output_error(const LayerValues& before, const LayerValues& after,
                                  const InputModel& inputs);

}  // namespace narrow
