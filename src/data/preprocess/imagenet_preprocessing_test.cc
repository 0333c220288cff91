#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "data/preprocess/preprocessing.h"
#include "data/testing/golden_examples.h"

namespace narrow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Color kNoMean = {0, 0, 0};
constexpr Color kNoDeviation = {1, 1, 1};

Image plain_image(int height, int width, const Color& color) {
  Image image{height, width, {}};
  for (int i = 0; i < height * width; ++i) {
    for (const float value : color) image.pixels.push_back(static_cast<std::uint8_t>(value));
  }
  return image;
}

std::vector<float> evaluate(const Image& image, const PreprocessingOptions& options) {
  std::vector<float> out(preprocessed_size(options), -1.0F);
  preprocess_for_evaluation(image, options, out);
  return out;
}

std::string refusal(const PreprocessingOptions& options) {
  return error_message(ErrorCategory::kUsage, [&] { validate(options); });
}

// Made by tests/golden/pillow/make_golden.py.
TEST(ImagenetPreprocessing, ShowsPillowsPixels) {
  const auto golden = golden_examples("pillow", "imagenet.tfrecord");
  ASSERT_GE(golden.size(), 20u);
  for (const GoldenExample& example : golden) {
    const Image image = example.image();
    PreprocessingOptions options;
    options.kind = preprocessing_for("imagenet");
    options.output_size = example.number("output_size");
    options.resize_side = example.number("resize_side");
    options.resize = parse_resize_mode(example.text("resize"));
    options.interpolation = parse_interpolation(example.text("interpolation"));
    options.mean = kNoMean;
    options.deviation = kNoDeviation;
    const std::vector<float> values = evaluate(image, options);
    std::string seen;
    for (const float value : values) seen.push_back(static_cast<char>(std::lround(value)));
    EXPECT_TRUE(seen == example.text("seen")) << example.text("name");
  }
}

TEST(ImagenetPreprocessing, HasTorchvisionsColors) {
  const PreprocessingOptions options = {
      .kind = PreprocessingKind::kImagenet, .output_size = 1, .resize_side = 1};
  EXPECT_THAT(
      evaluate(plain_image(2, 2, {10, 20, 30}), options),
      ElementsAre((10 - 123.675F) / 58.395F, (20 - 116.28F) / 57.12F, (30 - 103.53F) / 57.375F));
}

TEST(ImagenetPreprocessing, NumbersOfVggCanBeGiven) {
  PreprocessingOptions options = {.output_size = 1, .resize_side = 1};
  options.mean = {127, 126, 125};
  options.deviation = {128, 64, 2};
  options.channel_order = ChannelOrder::kBgr;
  EXPECT_THAT(evaluate(plain_image(1, 1, {255, 0, 100}), options),
              ElementsAre(-12.5F, -126.0F / 64, 1.0F));
  EXPECT_EQ(describe_changes(options), "mean 127,126,125, std 128,64,2, bgr");
  EXPECT_EQ(describe_changes({}), "");
}

// A wide image leaves bars above and below, in which the network sees zeros.
TEST(ImagenetPreprocessing, LetterboxHasZerosBesideTheImage) {
  for (const auto kind : {PreprocessingKind::kVgg, PreprocessingKind::kImagenet}) {
    PreprocessingOptions options = {.kind = kind, .output_size = 4};
    options.resize = ResizeMode::kLetterbox;
    options.mean = kNoMean;
    options.deviation = kNoDeviation;
    const auto values = evaluate(plain_image(3, 6, {9, 9, 9}), options);
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(values[i], i < 12 || i >= 36 ? 0 : 9) << i;
    }
  }
}

TEST(ImagenetPreprocessing, StretchedImagesOfVggAreSeenWhole) {
  PreprocessingOptions options = {.output_size = 2};
  options.resize = ResizeMode::kStretch;
  options.mean = kNoMean;
  Image image = plain_image(2, 4, {0, 0, 0});
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(i / 3);
  }
  const auto values = evaluate(image, options);
  EXPECT_THAT(values, ElementsAre(0, 0, 0, 2, 2, 2, 4, 4, 4, 6, 6, 6));
}

TEST(ImagenetPreprocessing, RefusesWhatTheKindDoesNotHave) {
  PreprocessingOptions options = {.kind = PreprocessingKind::kCifarnet};
  options.mean = kNoMean;
  EXPECT_THAT(refusal(options), HasSubstr("cifarnet takes mean and deviation from every image"));
  options.mean.reset();
  options.resize = ResizeMode::kStretch;
  EXPECT_THAT(refusal(options), HasSubstr("cifarnet and lenet cut or pad images"));
  options = {};
  options.interpolation = Interpolation::kBicubic;
  EXPECT_THAT(refusal(options),
              HasSubstr("bicubic interpolation is for the preprocessing imagenet"));
  options = {};
  options.deviation = {1, 0, 1};
  EXPECT_THAT(refusal(options), HasSubstr("the deviation of a channel is 0; it must be above 0"));
  options = {.kind = PreprocessingKind::kImagenet, .resize_side = 200};
  EXPECT_THAT(
      error_message(ErrorCategory::kUsage, [&] { evaluate(plain_image(3, 3, kNoMean), options); }),
      HasSubstr("Crop size greater than the image size"));
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { validate_for_training(options); }),
              HasSubstr("choose the augmentation none or cifar"));
}

TEST(ImagenetPreprocessing, NamesItsChoices) {
  for (const auto mode : {ResizeMode::kCrop, ResizeMode::kStretch, ResizeMode::kLetterbox}) {
    EXPECT_EQ(parse_resize_mode(to_string(mode)), mode);
  }
  EXPECT_EQ(parse_channel_order("rgb"), ChannelOrder::kRgb);
  EXPECT_EQ(parse_channel_order("bgr"), ChannelOrder::kBgr);
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [] { parse_channel_order("grb"); }),
              HasSubstr("choose rgb or bgr"));
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [] { parse_resize_mode("pad"); }),
              HasSubstr("choose crop, stretch or letterbox"));
}

}  // namespace
}  // namespace narrow
