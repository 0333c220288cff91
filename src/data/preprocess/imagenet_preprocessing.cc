// What torchvision's ImageNet classifiers are shown: Pillow's antialiased resize on 8 bits, then
// the mean colour subtracted.
#include <array>

#include "data/preprocess/preprocessing_kinds.h"
#include "data/preprocess/resize_frames.h"

namespace narrow {
namespace {

// Red, green, blue; torchvision's 0.485, 0.456, 0.406 of 255.
constexpr Color kImagenetMean = {123.675F, 116.28F, 103.53F};

ResizeFrame imagenet_frame(const Image& image, const PreprocessingOptions& options) {
  switch (options.resize) {
    case ResizeMode::kStretch:
      return stretched_frame(options.output_size);
    case ResizeMode::kLetterbox:
      return letterbox_frame(image, options.output_size);
    case ResizeMode::kCrop:
      break;
  }
  return torchvision_frame(image, options.resize_side, options.output_size);
}

}  // namespace

void imagenet_for_evaluation(const Image& image, const PreprocessingOptions& options,
                             std::span<float> out) {
  const ResizeFrame frame = imagenet_frame(image, options);
  const Image seen =
      resize_like_pillow(image, frame.height, frame.width, options.interpolation, frame.window);
  const Color mean = options.mean.value_or(kImagenetMean);
  const std::size_t row_values = static_cast<std::size_t>(seen.width) * kImageChannels;
  const std::uint8_t* from = seen.pixels.data();
  for (int y = 0; y < seen.height; ++y) {
    const int pixel = (frame.top + y) * options.output_size + frame.left;
    float* to = out.data() + static_cast<std::size_t>(pixel) * kImageChannels;
    for (std::size_t i = 0; i < row_values; ++i) {
      to[i] = static_cast<float>(*from++) - mean[i % kImageChannels];
    }
  }
}

}  // namespace narrow
