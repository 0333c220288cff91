// Pillow's antialiased Image.resize, and a window of its result.
//
// Along each axis an output pixel at o is the weighted mean of the input pixels that a filter
// covers. The filter is centred at (o + 0.5) s, s = input / output, and as wide as the filter's
// support times max(s, 1): a reduction looks at all pixels. Weights are computed in double, divided
// by their sum and rounded to fixed point with 22 bits; sums are exact integers, rounded to 8 bits.
// Rows come first, then columns on the rounded rows; an axis whose size stays is left as it is.
// (Pillow, "Concepts", filters; https://pillow.readthedocs.io. Pillow 13 takes columns first where
// the height shrinks by more than twice what the width does; there its last bits differ.)
#pragma once

#include <string_view>

#include "data/images/image.h"

namespace narrow {

enum class Interpolation {
  kBilinear,  // 1 - |x|
  kBicubic,   // Keys' cubic with a = -0.5
};

// "bilinear", "bicubic"; parse_interpolation throws Error(kUsage) naming the two.
std::string_view to_string(Interpolation interpolation) noexcept;
Interpolation parse_interpolation(std::string_view name);

struct PixelWindow {
  int top = 0;
  int left = 0;
  int height = 0;
  int width = 0;
};

// The pixels within `window` of the image resized to height x width, equal to those of Pillow bit
// for bit; only what they need is computed. The image has pixels, and the window lies within the
// result.
Image resize_like_pillow(const Image& image, int height, int width, Interpolation interpolation,
                         const PixelWindow& window);

}  // namespace narrow
