// Resize, crop, flip and mean subtraction in one pass over the pixels that survive the crop.
#include <algorithm>
#include <cmath>

#include "data/preprocess/bilinear_resize.h"
#include "data/preprocess/preprocessing_kinds.h"

namespace narrow {
namespace {

// Red, green, blue: Slim's _R_MEAN, _G_MEAN, _B_MEAN.
constexpr Color kVggMean = {123.68F, 116.78F, 103.94F};

struct Size {
  int height = 0;
  int width = 0;
};

// The size at which the smaller side has `side` pixels; float32 and half to even, as Slim does.
Size resized_size(const Image& image, int side) {
  const auto height = static_cast<float>(image.height);
  const auto width = static_cast<float>(image.width);
  const float scale = static_cast<float>(side) / (height > width ? width : height);
  return {static_cast<int>(std::rint(height * scale)), static_cast<int>(std::rint(width * scale))};
}

PixelRange range_of(const PreprocessingOptions& options) {
  return {.mean = options.mean.value_or(kVggMean)};
}

void check_crop(const Size& resized, int crop) {
  const int side = std::min(resized.height, resized.width);
  if (crop > side) throw_crop_too_large(crop, side);
}

ResizeFrame central_frame(const Image& image, const PreprocessingOptions& options) {
  const Size resized = resized_size(image, options.resize_side);
  const int size = options.output_size;
  check_crop(resized, size);
  return {resized.height,
          resized.width,
          {(resized.height - size) / 2, (resized.width - size) / 2, size, size},
          0,
          0};
}

ResizeFrame vgg_frame(const Image& image, const PreprocessingOptions& options) {
  switch (options.resize) {
    case ResizeMode::kStretch:
      return stretched_frame(options.output_size);
    case ResizeMode::kLetterbox:
      return letterbox_frame(image, options.output_size);
    case ResizeMode::kCrop:
      break;
  }
  return central_frame(image, options);
}

}  // namespace

void vgg_for_evaluation(const Image& image, const PreprocessingOptions& options,
                        std::span<float> out) {
  resize_bilinear(image, vgg_frame(image, options), false, range_of(options), options.output_size,
                  out);
}

void vgg_for_training(const Image& image, const PreprocessingOptions& options, RandomStream& random,
                      std::span<float> out) {
  const auto sides =
      static_cast<std::uint64_t>(options.resize_side_max - options.resize_side_min) + 1;
  const int side = options.resize_side_min + static_cast<int>(random.below(sides));
  const Size resized = resized_size(image, side);
  check_crop(resized, options.output_size);
  const auto offset = [&](int room) {
    return static_cast<int>(random.below(static_cast<std::uint64_t>(room) + 1));
  };
  ResizeFrame frame{resized.height, resized.width, {}, 0, 0};
  frame.window.height = options.output_size;
  frame.window.width = options.output_size;
  frame.window.top = offset(resized.height - options.output_size);
  frame.window.left = offset(resized.width - options.output_size);
  const bool flipped = random.below(2) == 1;
  resize_bilinear(image, frame, flipped, range_of(options), options.output_size, out);
}

}  // namespace narrow
