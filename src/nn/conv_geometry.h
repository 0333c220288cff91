// A convolution at one size of images, as the executors of this layer compute them.
#pragma once

#include "graph/layers.h"

namespace narrow {

// Square and odd kernels with one stride, padded by (kernel - 1) / 2 before the first row and
// column, so that there are ceil(size / stride) results along each axis, over all channels.
struct ConvGeometry {
  int kernel = 1;
  int stride = 1;
  int in_channels = 0;
  int out_channels = 0;
  int images = 0;
  int in_height = 0;
  int in_width = 0;
  int out_height = 0;
  int out_width = 0;

  // Rows above the image and columns left of it that a kernel meets.
  [[nodiscard]] int padding() const { return (kernel - 1) / 2; }
  // Rows below it and columns right of it.
  [[nodiscard]] int padding_below() const { return padding_after(in_height, out_height); }
  [[nodiscard]] int padding_right() const { return padding_after(in_width, out_width); }

 private:
  [[nodiscard]] int padding_after(int in, int out) const {
    return (out - 1) * stride + kernel - in - padding();
  }
};

// Throws Error(kUnsupported) naming the layer and what about it is not executed.
ConvGeometry conv_geometry(const Layer& layer, int images, int in_height, int in_width);

}  // namespace narrow
