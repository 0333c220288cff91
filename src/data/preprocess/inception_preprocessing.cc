// Slim's inception_preprocessing: values from 0 to 1; the middle of the image, or in training a
// random box, stretched to a square; in training random colours; values from -1 to 1.
#include <algorithm>
#include <cstdint>

#include "data/preprocess/bilinear_resize.h"
#include "data/preprocess/inception_distortion.h"
#include "data/preprocess/preprocessing_kinds.h"

namespace narrow {
namespace {

constexpr double kCentralFraction = 0.875;
// What tf.image.central_crop leaves away at either end of a side.
std::int64_t margin(std::int64_t side) {
  const auto size = static_cast<double>(side);
  return static_cast<std::int64_t>((size - size * kCentralFraction) / 2);
}

Image central_crop(const Image& image) {
  const auto top = static_cast<int>(margin(image.height));
  const auto left = static_cast<int>(margin(image.width));
  return cut_out(image, {top, left, image.height - 2 * top, image.width - 2 * left});
}

}  // namespace

void inception_for_evaluation(const Image& image, const PreprocessingOptions& options,
                              std::span<float> out) {
  resize_bilinear(central_crop(image), stretched_frame(options.output_size), false,
                  {kInceptionScale, {0.5F, 0.5F, 0.5F}, 2.0F}, options.output_size, out);
}

void inception_for_training(const Image& image, const PreprocessingOptions& options,
                            RandomStream& random, std::span<float> out) {
  const InceptionDistortion drawn = draw_inception_distortion(image.height, image.width, random);
  apply_inception_distortion(image, drawn, options.output_size, out);
}

}  // namespace narrow
