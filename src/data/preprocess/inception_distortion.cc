#include "data/preprocess/inception_distortion.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "data/preprocess/bilinear_resize.h"
#include "data/preprocess/preprocessing_kinds.h"
#include "data/preprocess/resize_frames.h"

namespace narrow {
namespace {

constexpr float kLeastAspect = 0.75F;
constexpr float kGreatestAspect = 1.33F;
constexpr float kLeastArea = 0.05F;    // of the image's, for the height that is drawn
constexpr float kLeastCovered = 0.1F;  // of the image, the object
constexpr int kAttempts = 100;
constexpr double kGreatestBrightness = 32.0 / 255.0;
constexpr double kLeastSaturation = 0.5;
constexpr double kGreatestSaturation = 1.5;

int rounded(float value) { return static_cast<int>(std::lrint(value)); }

int width_at(int height, float aspect) { return rounded(static_cast<float>(height) * aspect); }

// The greatest height of a box that lies in the image.
int greatest_height(const PixelWindow& image, float aspect, float greatest_area) {
  int height = rounded(std::sqrt(greatest_area / aspect));
  if (width_at(height, aspect) > image.width) {
    height = static_cast<int>((image.width + 0.5 - 1e-7) / static_cast<double>(aspect));
    if (width_at(height, aspect) > image.width) --height;
  }
  return std::min(height, image.height);
}

// As in the operator, a box never ends at the last row or column unless it has all of them.
int draw_offset(int side, int whole, RandomStream& random) {
  if (side >= whole) return 0;
  return static_cast<int>(random.below(static_cast<std::uint64_t>(whole - side)));
}

// One attempt: tensorflow/core/kernels/image/sample_distorted_bounding_box_op.cc. None where the
// box would not lie in the image, or has too few of its pixels.
std::optional<PixelWindow> draw_box(const PixelWindow& image, RandomStream& random) {
  const float aspect =
      static_cast<float>(random.uniform()) * (kGreatestAspect - kLeastAspect) + kLeastAspect;
  const auto whole = static_cast<float>(image.width) * static_cast<float>(image.height);
  const float least_area =
      kLeastArea * static_cast<float>(image.width) * static_cast<float>(image.height);
  const int greatest = greatest_height(image, aspect, whole);
  PixelWindow box;
  box.height = std::min(rounded(std::sqrt(least_area / aspect)), greatest);
  box.height +=
      static_cast<int>(random.below(static_cast<std::uint64_t>(greatest - box.height) + 1));
  box.width = width_at(box.height, aspect);
  const auto area = [&] { return static_cast<float>(box.width) * static_cast<float>(box.height); };
  const auto grow = [&](int rows) {
    box.height += rows;
    box.width = width_at(box.height, aspect);
  };
  if (area() < least_area) grow(1);
  if (area() > whole) grow(-1);
  const bool fits = box.height >= 1 && box.width >= 1 && box.height <= image.height &&
                    box.width <= image.width && area() >= least_area && area() <= whole;
  if (!fits) return std::nullopt;
  box.top = draw_offset(box.height, image.height, random);
  box.left = draw_offset(box.width, image.width, random);
  if (area() / whole < kLeastCovered) return std::nullopt;
  return box;
}

// Hue as a sixth of the circle and a place in it, A. R. Smith, "Color Gamut Transform Pairs",
// SIGGRAPH 1978; the order of operations is that of TensorFlow's AdjustSaturation.
void scale_saturation(float* pixel, float factor) {
  const float r = pixel[0];
  const float g = pixel[1];
  const float b = pixel[2];
  const float value = std::max({r, g, b});
  const float range = value - std::min({r, g, b});
  float saturation = value > 0 ? range / value : 0.0F;
  float hue = 0;
  if (range > 0) {
    const float norm = 1.0F / (6.0F * range);
    if (r == value) {
      hue = norm * (g - b);
    } else if (g == value) {
      hue = static_cast<float>(static_cast<double>(norm * (b - r)) + 2.0 / 6.0);
    } else {
      hue = static_cast<float>(static_cast<double>(norm * (r - g)) + 4.0 / 6.0);
    }
    if (hue < 0) hue += 1.0F;
  }
  saturation = std::min(1.0F, std::max(0.0F, saturation * factor));

  const float chroma = saturation * value;
  const float least = value - chroma;
  const float sixths = hue * 6.0F;
  float place = sixths;
  while (place <= 0) place += 2.0F;
  while (place >= 2) place -= 2.0F;
  const float middle = chroma * (1 - std::abs(place - 1));
  constexpr std::array<std::array<int, 3>, 6> kRanks = {
      {{2, 1, 0}, {1, 2, 0}, {0, 2, 1}, {0, 1, 2}, {1, 0, 2}, {2, 0, 1}}};
  const std::array<float, 3> by_rank = {0.0F, middle, chroma};
  const int sector = static_cast<int>(sixths);
  for (std::size_t c = 0; c < kImageChannels; ++c) {
    const float part =
        sector >= 0 && sector < 6
            ? by_rank[static_cast<std::size_t>(kRanks[static_cast<std::size_t>(sector)][c])]
            : 0.0F;
    pixel[c] = part + least;
  }
}

}  // namespace

InceptionDistortion draw_inception_distortion(int height, int width, RandomStream& random) {
  const PixelWindow image = {0, 0, height, width};
  InceptionDistortion drawn;
  drawn.box = image;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (const auto box = draw_box(image, random)) {
      drawn.box = *box;
      break;
    }
  }
  drawn.flipped = random.below(2) == 1;
  drawn.brightness = uniform_between(random, -kGreatestBrightness, kGreatestBrightness);
  drawn.saturation = uniform_between(random, kLeastSaturation, kGreatestSaturation);
  return drawn;
}

void apply_inception_distortion(const Image& image, const InceptionDistortion& distortion, int size,
                                std::span<float> out) {
  resize_bilinear(cut_out(image, distortion.box), stretched_frame(size), distortion.flipped,
                  {.scale = kInceptionScale}, size, out);
  for (float& value : out) value += distortion.brightness;
  for (std::size_t i = 0; i < out.size(); i += kImageChannels) {
    scale_saturation(out.data() + i, distortion.saturation);
  }
  for (float& value : out) value = (std::clamp(value, 0.0F, 1.0F) - 0.5F) * 2.0F;
}

}  // namespace narrow
