#include "data/images/pillow_resize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "data/testing/golden_examples.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;

Image random_image() {
  Image image;
  image.height = *rc::gen::inRange(1, 12);
  image.width = *rc::gen::inRange(1, 12);
  const auto bytes = static_cast<std::size_t>(image.height * image.width * kImageChannels);
  image.pixels =
      *rc::gen::container<std::vector<std::uint8_t>>(bytes, rc::gen::arbitrary<std::uint8_t>());
  return image;
}

Image resize(const Image& image, int height, int width, Interpolation interpolation) {
  return resize_like_pillow(image, height, width, interpolation, {0, 0, height, width});
}

// Every size that Pillow resized for tests/golden/pillow/make_golden.py.
TEST(PillowResize, IsPillows) {
  const auto golden = golden_examples("pillow", "resize.tfrecord");
  ASSERT_GE(golden.size(), 60u);
  for (const GoldenExample& example : golden) {
    const Image image = example.image();
    const Image resized = resize(image, example.number("to_height"), example.number("to_width"),
                                 parse_interpolation(example.text("interpolation")));
    const std::string result(resized.pixels.begin(), resized.pixels.end());
    EXPECT_TRUE(result == example.text("resized")) << example.text("name");
  }
}

RC_GTEST_PROP(PillowResizeProperty, WindowIsPartOfTheWhole, ()) {
  const Image image = random_image();
  const int height = *rc::gen::inRange(1, 20);
  const int width = *rc::gen::inRange(1, 20);
  const auto interpolation = *rc::gen::element(Interpolation::kBilinear, Interpolation::kBicubic);
  PixelWindow window;
  window.top = *rc::gen::inRange(0, height);
  window.left = *rc::gen::inRange(0, width);
  window.height = *rc::gen::inRange(1, height - window.top + 1);
  window.width = *rc::gen::inRange(1, width - window.left + 1);
  const Image whole = resize(image, height, width, interpolation);
  const Image part = resize_like_pillow(image, height, width, interpolation, window);
  RC_ASSERT(part.height == window.height);
  RC_ASSERT(part.width == window.width);
  for (int y = 0; y < part.height; ++y) {
    for (int x = 0; x < part.width * kImageChannels; ++x) {
      const int from = (window.top + y) * width * kImageChannels + window.left * kImageChannels + x;
      RC_ASSERT(part.pixels[static_cast<std::size_t>(y * part.width * kImageChannels + x)] ==
                whole.pixels[static_cast<std::size_t>(from)]);
    }
  }
}

TEST(PillowResize, NamesInterpolations) {
  for (const auto one : {Interpolation::kBilinear, Interpolation::kBicubic}) {
    EXPECT_EQ(parse_interpolation(to_string(one)), one);
  }
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [] { parse_interpolation("lanczos"); }),
              HasSubstr("there is no interpolation lanczos; choose bilinear or bicubic"));
}

}  // namespace
}  // namespace narrow
