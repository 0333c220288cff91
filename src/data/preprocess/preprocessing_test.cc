#include "data/preprocess/preprocessing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include "data/preprocess/inception_distortion.h"
#include "data/testing/golden_examples.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;

// Pixels that tell where they are: red is the row, green the column.
Image position_image(int height, int width) {
  Image image{height, width, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (const int value : {y, x, 7}) image.pixels.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return image;
}

std::vector<float> evaluate(const Image& image, const PreprocessingOptions& options) {
  std::vector<float> out(preprocessed_size(options));
  preprocess_for_evaluation(image, options, out);
  return out;
}

std::vector<float> train(const Image& image, const PreprocessingOptions& options,
                         std::uint64_t seed) {
  std::vector<float> out(preprocessed_size(options));
  RandomStream random(seed, "preprocessing test");
  preprocess_for_training(image, options, random, out);
  return out;
}

// Distance in representable numbers; both finite.
std::int64_t ulps_between(float a, float b) {
  const auto rank = [](float value) {
    const auto bits = std::bit_cast<std::int32_t>(value);
    return std::int64_t{bits < 0 ? std::int32_t{-0x7fffffff - 1} - bits : bits};
  };
  return std::abs(rank(a) - rank(b));
}

// TensorFlow's results, made by tests/golden/data/make_golden.py: vgg to the bit; cifarnet within
// the 2 ulps that TensorFlow's own order of summation leaves open.
TEST(Preprocessing, EvaluationEqualsTensorFlow) {
  const auto golden = golden_examples("data", "preprocess.tfrecord");
  ASSERT_GE(golden.size(), 16u);
  for (const GoldenExample& example : golden) {
    const Image image = example.image();
    PreprocessingOptions options;
    options.kind = preprocessing_for(example.text("kind"));
    options.output_size = example.number("output_size");
    options.resize_side = example.number("resize_side");
    const auto& expected = std::get<2>(example.example.at("values"));
    const auto values = evaluate(image, options);
    ASSERT_EQ(values.size(), expected.size()) << example.text("name");
    const std::int64_t allowed = options.kind == PreprocessingKind::kVgg ? 0 : 2;
    for (std::size_t k = 0; k < values.size(); ++k) {
      ASSERT_LE(ulps_between(values[k], expected[k]), allowed)
          << example.text("name") << " value " << k;
    }
  }
}

// Rows, columns and channels differ everywhere.
Image patterned_image(int height, int width) {
  Image image{height, width, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < kImageChannels; ++c) {
        image.pixels.push_back(static_cast<std::uint8_t>(y * 37 + x * 11 + c * 101 + y * x * 5));
      }
    }
  }
  return image;
}

// From inception_evaluation of tests/golden/data/slim_reference.py.
TEST(Preprocessing, InceptionIsTensorFlowsToTheBit) {
  const std::vector<float> expected = {
      -0x1.2b2b2ap-1F, 0x1.a9a9b0p-3F,  0x1p+0F,         0x1.2d2d30p-2F,  -0x1.d7d7d8p-1F,
      -0x1.0909p-3F,   -0x1.ababacp-1F, -0x1.616140p-5F, 0x1.7f7f84p-1F,  -0x1.e3e3e4p-1F,
      -0x1.393930p-3F, 0x1.47474cp-1F,  -0x1.676768p-1F, 0x1.717180p-4F,  0x1.c3c3c8p-1F,
      -0x1.d5d5d4p-2F, 0x1.555558p-2F,  -0x1.c3c3c4p-1F, 0x1.67676cp-1F,  -0x1.070706p-1F,
      0x1.1d1d20p-2F,  0x1.3d3d40p-2F,  -0x1.cfcfd0p-1F, -0x1.d1d1c0p-4F, -0x1.515140p-4F,
      0x1.6b6b70p-1F,  -0x1.030302p-1F};
  const PreprocessingOptions options = {.kind = PreprocessingKind::kInception, .output_size = 3};
  EXPECT_EQ(evaluate(patterned_image(17, 23), options), expected);
  EXPECT_EQ(evaluate(patterned_image(1, 1), options).front(), -1.0F);
}

std::vector<float> distorted(const InceptionDistortion& distortion) {
  std::vector<float> out(3 * 3 * kImageChannels);
  apply_inception_distortion(patterned_image(17, 23), distortion, 3, out);
  return out;
}

// From inception_training of tests/golden/data/slim_reference.py.
TEST(Preprocessing, InceptionDistortionIsTensorFlowsToTheBit) {
  const std::vector<float> darker = {
      -0x1.0ddaa8p-1F, -0x1.7643p-4F,  0x1.6093dp-2F,   -0x1.c6d7fp-3F,  0x1.b5713p-3F,
      -0x1.d1f418p-2F, 0x1.5375ap-4F,  -0x1.2be7a4p-1F, -0x1.335558p-3F, 0x1.9e26bp-2F,
      -0x1.0e86p-2F,   0x1.5f3d4p-3F,  0x1.491bep-4F,   -0x1.8f3fcp-4F,  0x1.5a54ap-2F,
      -0x1.5056p-3F,   -0x1.8bdbap-4F, -0x1.96b324p-2F, 0x1.8a9bep-4F,   0x1.4fb67p-3F,
      -0x1.17c25p-3F,  0x1.81dcap-4F,  -0x1.50ea88p-2F, -0x1.1c22p-3F,   -0x1.36308p-4F,
      -0x1.0bfadp-3F,  -0x1.7cddb8p-3F};
  EXPECT_EQ(distorted({{0, 0, 17, 23}, false, -0.12F, 0.55F}), darker);
  const std::vector<float> brighter = {
      0x1.b30868p-1F,  -0x1.b45f0cp-1F, 0x1.06e4cp-2F,   -0x1.674528p-2F, 0x1.842eep-1F,
      -0x1.e3388cp-1F, 0x1p+0F,         -0x1.39393cp-1F, 0x1.fd3088p-2F,  -0x1.217c9p-3F,
      0x1.4f8878p-1F,  -0x1.c10b3p-4F,  0x1.75035p-2F,   -0x1.9a506p-2F,  -0x1.d45188p-3F,
      0x1.bb106cp-1F,  -0x1.ac56f8p-1F, 0x1.16f508p-2F,  0x1.b79568p-2F,  -0x1.7ea8p-6F,
      0x1.d8111p-2F,   0x1.1430a4p-1F,  0x1.98b518p-2F,  0x1.09092p-2F,   0x1.47f2a4p-1F,
      -0x1p+0F,        0x1.1a91ap-4F};
  EXPECT_EQ(distorted({{3, 5, 11, 13}, true, 0.1F, 1.4F}), brighter);
}

TEST(Preprocessing, InceptionBoxesLieInTheImageAndCoverATenth) {
  RandomStream random(3, "boxes");
  double least = 1;
  double greatest = 0;
  int flips = 0;
  constexpr int kDraws = 3000;
  for (int i = 0; i < kDraws; ++i) {
    const InceptionDistortion drawn = draw_inception_distortion(60, 80, random);
    const PixelWindow& box = drawn.box;
    ASSERT_GE(box.top, 0);
    ASSERT_GE(box.left, 0);
    ASSERT_LE(box.top + box.height, 60);
    ASSERT_LE(box.left + box.width, 80);
    const double area = box.height * box.width / 4800.0;
    ASSERT_GE(area, 0.1);
    ASSERT_GE(box.width, 0.75 * box.height - 0.5);
    ASSERT_LE(box.width, 1.33 * box.height + 0.5);
    least = std::min(least, area);
    greatest = std::max(greatest, area);
    flips += drawn.flipped ? 1 : 0;
    ASSERT_LE(std::abs(drawn.brightness), 32 / 255.0F);
    ASSERT_GE(drawn.saturation, 0.5F);
    ASSERT_LE(drawn.saturation, 1.5F);
  }
  EXPECT_LT(least, 0.11);
  EXPECT_GT(greatest, 0.9);
  EXPECT_NEAR(flips, kDraws / 2, 150);
}

// No box of a narrow strip has a ratio from 0.75 to 1.33 and a tenth of its pixels.
TEST(Preprocessing, AStripIsSeenWhole) {
  RandomStream random(3, "strip");
  for (const auto& [height, width] : {std::pair{1, 400}, std::pair{300, 3}, std::pair{1, 1}}) {
    const PixelWindow box = draw_inception_distortion(height, width, random).box;
    EXPECT_EQ(box.height, height);
    EXPECT_EQ(box.width, width);
  }
}

TEST(Preprocessing, InceptionTrainingIsWhatWasDrawn) {
  const Image image = patterned_image(17, 23);
  const PreprocessingOptions options = {.kind = PreprocessingKind::kInception, .output_size = 9};
  std::vector<float> found(preprocessed_size(options));
  RandomStream random(5, "picture");
  preprocess_for_training(image, options, random, found);
  RandomStream same(5, "picture");
  std::vector<float> expected(found.size());
  apply_inception_distortion(image, draw_inception_distortion(17, 23, same), 9, expected);
  EXPECT_EQ(found, expected);
  EXPECT_GE(std::ranges::min(found), -1.0F);
  EXPECT_LE(std::ranges::max(found), 1.0F);
}

// From lenet_evaluation of slim_reference.py: a row of zeros above and below, columns cut off.
TEST(Preprocessing, LenetIsTensorFlowsToTheBit) {
  const PreprocessingOptions options = {.kind = PreprocessingKind::kLenet, .output_size = 19};
  const auto values = evaluate(patterned_image(17, 23), options);
  const auto at = [&](int y, int x, int c) {
    return values.at(static_cast<std::size_t>((y * 19 + x) * 3 + c));
  };
  EXPECT_EQ(at(0, 0, 0), -1.0F);
  EXPECT_EQ(at(18, 18, 2), -1.0F);
  EXPECT_EQ(at(1, 0, 0), -0.828125F);
  EXPECT_EQ(at(1, 0, 2), 0.75F);
  EXPECT_EQ(at(17, 18, 0), -0.15625F);
  EXPECT_EQ(at(17, 18, 1), 0.6328125F);
  EXPECT_EQ(train(patterned_image(17, 23), options, 1), values) << "nothing is random";
}

TEST(Preprocessing, OnlyWhatInceptionAndLenetHaveCanBeGiven) {
  for (const auto kind : {PreprocessingKind::kInception, PreprocessingKind::kLenet}) {
    PreprocessingOptions options = {.kind = kind};
    options.mean = Color{1, 2, 3};
    error_message(ErrorCategory::kUsage, [&] { validate(options); });
    options.mean.reset();
    options.resize = ResizeMode::kLetterbox;
    error_message(ErrorCategory::kUsage, [&] { validate(options); });
  }
  const PreprocessingOptions imagenet = {.kind = PreprocessingKind::kImagenet};
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { validate_for_training(imagenet); }),
              HasSubstr("augmentation none or cifar"));
}

// Section 5.1 of Slim's evaluation for CIFAR images: output (y, x) is the source at (2 + y/8, ...).
TEST(Preprocessing, CifarImageAtSlimsSize) {
  const auto values = evaluate(position_image(32, 32), {});
  ASSERT_EQ(values.size(), 224u * 224 * 3);
  for (std::size_t y = 0; y < 224; y += 7) {
    EXPECT_EQ(values[(y * 224 + 5) * 3], 2 + static_cast<float>(y) / 8 - 123.68F);
  }
}

TEST(Preprocessing, ResizeSideOfTheImageKeepsItsPixels) {
  const PreprocessingOptions options = {
      .output_size = 32, .resize_side = 32, .resize_side_min = 32, .resize_side_max = 32};
  const auto values = evaluate(position_image(32, 32), options);
  EXPECT_EQ(values[(31 * 32 + 30) * 3], 31 - 123.68F);
  EXPECT_EQ(values[(31 * 32 + 30) * 3 + 1], 30 - 116.78F);
  EXPECT_EQ(values[(31 * 32 + 30) * 3 + 2], 7 - 103.94F);
}

TEST(Preprocessing, TrainingDependsOnTheStreamOnly) {
  const Image image = position_image(32, 40);
  for (const auto kind :
       {PreprocessingKind::kVgg, PreprocessingKind::kCifarnet, PreprocessingKind::kInception}) {
    const PreprocessingOptions options = {
        .kind = kind, .output_size = 24, .resize_side_min = 24, .resize_side_max = 64};
    EXPECT_EQ(train(image, options, 1), train(image, options, 1));
    EXPECT_NE(train(image, options, 1), train(image, options, 2));
  }
}

// Without scaling every output is a window of the image, straight or mirrored; over many draws
// every offset and both directions occur.
TEST(Preprocessing, VggTrainingCropsAndFlipsEverywhere) {
  const Image image = position_image(10, 12);
  const PreprocessingOptions options = {
      .output_size = 8, .resize_side_min = 10, .resize_side_max = 10};
  std::set<std::tuple<int, int, bool>> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const auto values = train(image, options, seed);
    const int top = static_cast<int>(std::lround(values[0] + 123.68F));
    const int first = static_cast<int>(std::lround(values[1] + 116.78F));
    const int second = static_cast<int>(std::lround(values[4] + 116.78F));
    const bool flipped = second < first;
    const int left = flipped ? first - 7 : first;
    ASSERT_EQ(std::abs(second - first), 1);
    seen.insert({top, left, flipped});
  }
  EXPECT_EQ(seen.size(), 3u * 5 * 2);
  EXPECT_EQ(std::get<0>(*seen.begin()), 0);
  EXPECT_EQ(std::get<1>(*seen.begin()), 0);
  EXPECT_EQ(*seen.rbegin(), std::make_tuple(2, 4, true));
}

TEST(Preprocessing, VggTrainingDrawsEverySide) {
  // A flat image stays flat; the drawn side shows where the left edge's gradient ends.
  const PreprocessingOptions options = {
      .output_size = 4, .resize_side_min = 4, .resize_side_max = 6};
  const Image image = position_image(4, 4);
  std::set<float> steps;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto values = train(image, options, seed);
    steps.insert(std::round(std::abs(values[7] - values[4]) * 100) / 100);
  }
  EXPECT_GE(steps.size(), 3u);
  EXPECT_TRUE(steps.contains(1.0F)) << "side 4: neighbours are one pixel apart";
  EXPECT_TRUE(steps.contains(0.8F)) << "side 5";
  EXPECT_TRUE(steps.contains(0.67F)) << "side 6";
}

// Every shift and both directions occur; pixels from outside are zeros.
TEST(Preprocessing, CifarTrainingShiftsAndFlips) {
  const Image image = position_image(12, 12);
  const PreprocessingOptions options = {.output_size = 12, .augmentation = Augmentation::kCifar};
  std::set<std::tuple<int, int, bool>> seen;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const auto values = train(image, options, seed);
    const auto at = [&](int y, int x) { return values.data() + (y * 12 + x) * 3; };
    // The middle is never padding.
    const int top = static_cast<int>(std::lround(at(6, 6)[0] + 123.68F)) - 6;
    const int first = static_cast<int>(std::lround(at(6, 6)[1] + 116.78F));
    const bool flipped = static_cast<int>(std::lround(at(6, 7)[1] + 116.78F)) < first;
    const int left = flipped ? first - 5 : first - 6;
    seen.insert({top, left, flipped});
    for (int y = 0; y < 12; ++y) {
      for (int x = 0; x < 12; ++x) {
        const int row = y + top;
        const int column = left + (flipped ? 11 - x : x);
        const bool inside = row >= 0 && row < 12 && column >= 0 && column < 12;
        ASSERT_EQ(at(y, x)[0], inside ? static_cast<float>(row) - 123.68F : 0.0F);
        ASSERT_EQ(at(y, x)[1], inside ? static_cast<float>(column) - 116.78F : 0.0F);
      }
    }
  }
  EXPECT_EQ(seen.size(), 9u * 9 * 2);
}

TEST(Preprocessing, TrainingWithoutAugmentationIsEvaluation) {
  const Image image = position_image(20, 16);
  for (const auto kind : {PreprocessingKind::kVgg, PreprocessingKind::kCifarnet}) {
    const PreprocessingOptions options = {
        .kind = kind, .output_size = 14, .resize_side = 18, .augmentation = Augmentation::kNone};
    EXPECT_EQ(train(image, options, 1), evaluate(image, options));
  }
}

TEST(Preprocessing, CifarnetTrainingIsStandardized) {
  const PreprocessingOptions options = {.kind = PreprocessingKind::kCifarnet, .output_size = 32};
  const auto values = train(position_image(32, 32), options, 9);
  double sum = 0;
  double squares = 0;
  for (const float value : values) {
    sum += double{value};
    squares += double{value} * double{value};
  }
  EXPECT_NEAR(sum / static_cast<double>(values.size()), 0, 1e-5);
  EXPECT_NEAR(squares / static_cast<double>(values.size()), 1, 1e-5);
}

TEST(Preprocessing, NamesOfModels) {
  EXPECT_EQ(preprocessing_for("resnet_v1_50"), PreprocessingKind::kVgg);
  EXPECT_EQ(preprocessing_for("vgg"), PreprocessingKind::kVgg);
  EXPECT_EQ(preprocessing_for("cifarnet"), PreprocessingKind::kCifarnet);
  EXPECT_EQ(preprocessing_for("inception_v3"), PreprocessingKind::kInception);
  EXPECT_EQ(preprocessing_for("mobilenet_v1_025"), PreprocessingKind::kInception);
  EXPECT_EQ(preprocessing_for("lenet"), PreprocessingKind::kLenet);
  error_message(ErrorCategory::kUsage, [] { preprocessing_for("alexnet_v2"); });
  error_message(ErrorCategory::kUsage, [] { preprocessing_for("vgg vgg_a"); });
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [] { preprocessing_for("resnet"); }),
              HasSubstr("Preprocessing name [resnet] was not recognized"));
}

TEST(Preprocessing, NamesOfAugmentations) {
  EXPECT_EQ(parse_augmentation("none"), Augmentation::kNone);
  EXPECT_EQ(parse_augmentation("slim"), Augmentation::kSlim);
  EXPECT_EQ(parse_augmentation("cifar"), Augmentation::kCifar);
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [] { parse_augmentation("mixup"); }),
              HasSubstr("none, slim or cifar"));
}

TEST(Preprocessing, RefusesImpossibleSizes) {
  const Image image = position_image(32, 32);
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { evaluate(image, {.output_size = 300}); }),
              HasSubstr("Crop size greater than the image size"));
  error_message(ErrorCategory::kUsage, [&] { train(image, {.output_size = 600}, 1); });
  error_message(ErrorCategory::kUsage, [&] {
    train(image, {.kind = PreprocessingKind::kCifarnet, .output_size = 41}, 1);
  });
  error_message(ErrorCategory::kUsage, [] { validate({.output_size = 0}); });
  error_message(ErrorCategory::kUsage,
                [] { validate({.resize_side_min = 300, .resize_side_max = 256}); });
  std::vector<float> wrong(5);
  error_message(ErrorCategory::kUsage, [&] { preprocess_for_evaluation(image, {}, wrong); });
}

}  // namespace
}  // namespace narrow
