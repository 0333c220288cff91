// How a resized image and the square that a network sees lie on each other.
#pragma once

#include "data/images/image.h"
#include "data/images/pillow_resize.h"

namespace narrow {

// The image becomes height x width; of that the window is seen, its corner at (top, left) of the
// square. The window is smaller than the square only where a border is left.
struct ResizeFrame {
  int height = 0;
  int width = 0;
  PixelWindow window = {};
  int top = 0;
  int left = 0;
};

// The pixels of a window that lies in the image.
Image cut_out(const Image& image, const PixelWindow& window);

// Whole and distorted.
ResizeFrame stretched_frame(int size);

// Whole and undistorted, in the middle of the square: sizes and place are those of Pillow's
// ImageOps.pad, but for a side that would have no pixel.
ResizeFrame letterbox_frame(const Image& image, int size);

// torchvision's Resize(side), then CenterCrop(size): the smaller side becomes `side`, the other one
// is rounded down; an odd rest of the crop goes where half to even rounds it. Throws Error(kUsage)
// for a crop larger than the side.
ResizeFrame torchvision_frame(const Image& image, int side, int size);

}  // namespace narrow
