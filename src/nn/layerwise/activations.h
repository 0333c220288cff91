// Images on their way through a network, one layer at a time: what methods that look at the inputs
// and outputs of single layers work on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "graph/layers.h"
#include "nn/pool_geometry.h"

namespace narrow {

// [images, height, width, channels], row-major.
struct Activations {
  std::int64_t images = 0;
  int height = 0;
  int width = 0;
  int channels = 0;
  std::vector<float> values;

  // Zeros of that shape.
  static Activations zeros(std::int64_t images, int height, int width, int channels);
  [[nodiscard]] std::size_t floats_per_image() const {
    return static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
           static_cast<std::size_t>(channels);
  }
};

// The functions below work on several images at once, each by one thread: results do not depend on
// the number of threads. In the last bits they may differ between CPUs with other instruction sets.

// The convolution alone, without bias and batch norm; `weights` are as the layer stores them.
// Throws what conv_geometry throws, and Error(kUnsupported) when oneDNN cannot do it.
Activations convolve(const Layer& layer, std::span<const float> weights, const Activations& x);

// Of windows on images of the size of x.
Activations max_pool(const Activations& x, const PoolGeometry& geometry);

// Over height and width: 1 x 1 pixels are left.
Activations global_mean(const Activations& x);

// x = slope_c * x + offset_c in every channel c, then x = max(x, 0) with `relu`. In double, rounded
// once.
void scale_and_shift(std::span<const double> slope, std::span<const double> offset, bool relu,
                     Activations& x);

// sum = sum + x, then max(sum, 0) with `relu`. Throws Error(kUnsupported) unless both are of one
// shape.
void add_to(const Activations& x, bool relu, Activations& sum);

}  // namespace narrow
