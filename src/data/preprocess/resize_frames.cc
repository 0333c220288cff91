#include "data/preprocess/resize_frames.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "data/preprocess/preprocessing_kinds.h"

namespace narrow {
namespace {

// Half of it, half a pixel to even.
int half_of(int pixels) { return static_cast<int>(std::rint(pixels / 2.0)); }

// The side of `other` at the scale at which `side` becomes `size`; Pillow divides first.
int scaled_side(int other, int side, int size) {
  const double scaled = static_cast<double>(other) / side * size;
  return std::max(static_cast<int>(std::rint(scaled)), 1);
}

}  // namespace

Image cut_out(const Image& image, const PixelWindow& window) {
  Image part{window.height, window.width, {}};
  const std::int64_t row_bytes = std::int64_t{window.width} * kImageChannels;
  part.pixels.reserve(static_cast<std::size_t>(window.height * row_bytes));
  for (std::int64_t y = window.top; y < window.top + window.height; ++y) {
    const auto row = image.pixels.begin() + (y * image.width + window.left) * kImageChannels;
    part.pixels.insert(part.pixels.end(), row, row + row_bytes);
  }
  return part;
}

ResizeFrame stretched_frame(int size) { return {size, size, {0, 0, size, size}, 0, 0}; }

ResizeFrame letterbox_frame(const Image& image, int size) {
  ResizeFrame frame = stretched_frame(size);
  if (image.width > image.height) frame.height = scaled_side(image.height, image.width, size);
  if (image.width < image.height) frame.width = scaled_side(image.width, image.height, size);
  frame.window = {0, 0, frame.height, frame.width};
  frame.top = half_of(size - frame.height);
  frame.left = half_of(size - frame.width);
  return frame;
}

ResizeFrame torchvision_frame(const Image& image, int side, int size) {
  if (size > side) throw_crop_too_large(size, side);
  const auto longer = [side](int long_side, int short_side) {
    return static_cast<int>(static_cast<double>(side) * long_side / short_side);
  };
  ResizeFrame frame{side, side, {}, 0, 0};
  if (image.width > image.height) frame.width = longer(image.width, image.height);
  if (image.width < image.height) frame.height = longer(image.height, image.width);
  frame.window = {half_of(frame.height - size), half_of(frame.width - size), size, size};
  return frame;
}

}  // namespace narrow
