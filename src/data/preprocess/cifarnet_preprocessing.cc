// Slim's cifarnet_preprocessing and lenet_preprocessing. Sums run in double over the pixels in
// memory order.
#include <algorithm>
#include <array>
#include <cmath>

#include "data/preprocess/preprocessing_kinds.h"

namespace narrow {
namespace {

constexpr int kTrainingPadding = 4;
constexpr double kMaxBrightnessDelta = 63;
constexpr double kMinContrast = 0.2;
constexpr double kMaxContrast = 1.8;

// Copies the window of size x size pixels whose corner lies at (top, left) of the image, either of
// which may be negative; pixels outside the image are 0.
void copy_window(const Image& image, int top, int left, int size, bool flipped,
                 std::span<float> out) {
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const int from_y = top + y;
      const int from_x = left + (flipped ? size - 1 - x : x);
      const bool inside =
          from_y >= 0 && from_y < image.height && from_x >= 0 && from_x < image.width;
      const auto from = (static_cast<std::size_t>(from_y) * static_cast<std::size_t>(image.width) +
                         static_cast<std::size_t>(from_x)) *
                        kImageChannels;
      const auto to = (static_cast<std::size_t>(y) * static_cast<std::size_t>(size) +
                       static_cast<std::size_t>(x)) *
                      kImageChannels;
      for (std::size_t c = 0; c < kImageChannels; ++c) {
        out[to + c] = inside ? static_cast<float>(image.pixels[from + c]) : 0.0F;
      }
    }
  }
}

// TensorFlow's per_image_standardization: (x - mean) / max(deviation, 1 / sqrt(N)).
void standardize(std::span<float> values) {
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  for (const float value : values) sum += double{value};
  const auto mean = static_cast<float>(sum / count);
  double sum_of_squares = 0;
  for (float& value : values) {
    value -= mean;
    sum_of_squares += double{value} * double{value};
  }
  const auto deviation = static_cast<float>(std::sqrt(sum_of_squares / count));
  const float divisor = std::max(deviation, static_cast<float>(1 / std::sqrt(count)));
  for (float& value : values) value /= divisor;
}

// TensorFlow's adjust_contrast: stretches every channel about its own mean.
void adjust_contrast(std::span<float> values, float factor) {
  std::array<double, kImageChannels> sums{};
  for (std::size_t i = 0; i < values.size(); ++i) sums[i % kImageChannels] += double{values[i]};
  std::array<float, kImageChannels> means{};
  const std::size_t pixels = values.size() / kImageChannels;
  for (std::size_t c = 0; c < kImageChannels; ++c) {
    means[c] = static_cast<float>(sums[c] / static_cast<double>(pixels));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float mean = means[i % kImageChannels];
    values[i] = (values[i] - mean) * factor + mean;
  }
}

// Half of what has to be cut off, negative half of what has to be added, both rounded down.
int centered_offset(int size, int wanted) {
  return size >= wanted ? (size - wanted) / 2 : -((wanted - size) / 2);
}

// The middle of the image, or the image in the middle of zeros.
void copy_middle(const Image& image, int size, std::span<float> out) {
  copy_window(image, centered_offset(image.height, size), centered_offset(image.width, size), size,
              false, out);
}

}  // namespace

void lenet_for_evaluation(const Image& image, const PreprocessingOptions& options,
                          std::span<float> out) {
  copy_middle(image, options.output_size, out);
  for (float& value : out) value = (value - 128.0F) / 128.0F;
}

void cifarnet_for_evaluation(const Image& image, const PreprocessingOptions& options,
                             std::span<float> out) {
  copy_middle(image, options.output_size, out);
  standardize(out);
}

void cifarnet_for_training(const Image& image, const PreprocessingOptions& options,
                           RandomStream& random, std::span<float> out) {
  const int size = options.output_size;
  const int padded = std::min(image.height, image.width) + 2 * kTrainingPadding;
  if (size > padded) throw_crop_too_large(size, padded);
  const auto offset = [&](int side) {
    const auto room = static_cast<std::uint64_t>(side + 2 * kTrainingPadding - size);
    return static_cast<int>(random.below(room + 1)) - kTrainingPadding;
  };
  const int top = offset(image.height);
  const int left = offset(image.width);
  const bool flipped = random.below(2) == 1;
  copy_window(image, top, left, size, flipped, out);
  const float delta = uniform_between(random, -kMaxBrightnessDelta, kMaxBrightnessDelta);
  for (float& value : out) value += delta;
  adjust_contrast(out, uniform_between(random, kMinContrast, kMaxContrast));
  standardize(out);
}

}  // namespace narrow
