// TensorFlow's ResizeBilinear with align_corners and half_pixel_centers false: float32 throughout,
// first along the row, then between rows, no fused multiply-add.
#pragma once

#include <span>

#include "data/images/image.h"
#include "data/preprocess/preprocessing.h"
#include "data/preprocess/resize_frames.h"

namespace narrow {

// What happens to a value before and after interpolation, each rounded to float32: a source value
// becomes value * scale, a result (value - mean) * gain.
struct PixelRange {
  float scale = 1;
  Color mean = {};
  float gain = 1;
};

// The pixels of the frame's window, possibly mirrored, to their place in the square of
// `output_size`. One pass: a source row is interpolated along x once and serves every output row
// that touches it.
void resize_bilinear(const Image& image, const ResizeFrame& frame, bool flipped,
                     const PixelRange& range, int output_size, std::span<float> out);

}  // namespace narrow
