// Slim's inception_preprocessing, evaluation: values from 0 to 1, the middle of the image,
// stretched to a square, values from -1 to 1.
#include <algorithm>
#include <cstdint>

#include "data/preprocess/bilinear_resize.h"
#include "data/preprocess/preprocessing_kinds.h"

namespace narrow {
namespace {

constexpr double kCentralFraction = 0.875;
// tf.image.convert_image_dtype, then a subtraction and a multiplication.
constexpr PixelRange kRange = {.scale = 1.0F / 255.0F, .mean = {0.5F, 0.5F, 0.5F}, .gain = 2.0F};

// What tf.image.central_crop leaves away at either end of a side.
std::int64_t margin(std::int64_t side) {
  const auto size = static_cast<double>(side);
  return static_cast<std::int64_t>((size - size * kCentralFraction) / 2);
}

Image central_crop(const Image& image) {
  const std::int64_t top = margin(image.height);
  const std::int64_t left = margin(image.width);
  Image middle;
  middle.height = image.height - static_cast<int>(2 * top);
  middle.width = image.width - static_cast<int>(2 * left);
  const std::int64_t row_bytes = std::int64_t{middle.width} * kImageChannels;
  middle.pixels.reserve(static_cast<std::size_t>(middle.height * row_bytes));
  for (std::int64_t y = top; y < top + middle.height; ++y) {
    const auto row = image.pixels.begin() + (y * image.width + left) * kImageChannels;
    middle.pixels.insert(middle.pixels.end(), row, row + row_bytes);
  }
  return middle;
}

}  // namespace

void inception_for_evaluation(const Image& image, const PreprocessingOptions& options,
                              std::span<float> out) {
  resize_bilinear(central_crop(image), stretched_frame(options.output_size), false, kRange,
                  options.output_size, out);
}

}  // namespace narrow
