// Second moments of what a convolution's weights are multiplied with.
#pragma once

#include <cstddef>
#include <vector>

#include "nn/layerwise/activation_batches.h"

namespace narrow {

// Over the patches that a convolution sees, padding zeros included. Element t * in_channels + i of
// a patch is input channel i under tap t of the kernel, as the weights [height, width, in, out] are
// ordered.
struct InputGram {
  std::size_t size = 0;        // kernel * kernel * in_channels
  double patches = 0;          // how many
  std::vector<double> mean;    // [size]
  std::vector<double> second;  // E[x x^T], [size, size], symmetric
};

// Products are summed in float32 over at most 1024 patches, those sums in double. Takes
// 8 * size^2 bytes: 170 MB for a 3x3 convolution with 512 inputs. Throws as convolve does.
InputGram input_gram(const Layer& layer, const ActivationBatches& x);

}  // namespace narrow
