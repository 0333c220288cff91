#include "graph/tap_coverage.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "graph/slim/resnet_v1.h"
#include "narrow/error.h"

namespace narrow {
namespace {

TapCoverage square_coverage(int kernel, int stride, int size) {
  return {square_window(kernel, stride, kernel / 2), size, size};
}

// Counts output pixels one by one.
double counted_share(int kernel, int stride, int size, int tap_y, int tap_x) {
  int inside = 0;
  int pixels = 0;
  for (int y = 0; y < size; y += stride) {
    for (int x = 0; x < size; x += stride) {
      const int row = y + tap_y - kernel / 2;
      const int column = x + tap_x - kernel / 2;
      inside += row >= 0 && row < size && column >= 0 && column < size ? 1 : 0;
      ++pixels;
    }
  }
  return static_cast<double>(inside) / pixels;
}

TEST(TapCoverage, SharesAreThoseCountedPixelByPixel) {
  for (const int kernel : {1, 3, 7}) {
    for (const int stride : {1, 2, 3}) {
      for (const int size : {1, 2, 3, 4, 5, 8, 16, 31}) {
        const TapCoverage coverage = square_coverage(kernel, stride, size);
        std::size_t tap = 0;
        for (int y = 0; y < kernel; ++y) {
          for (int x = 0; x < kernel; ++x) {
            EXPECT_EQ(coverage.shares()[tap++], counted_share(kernel, stride, size, y, x))
                << kernel << " " << stride << " " << size;
          }
        }
      }
    }
  }
}

TEST(TapCoverage, ViewsAreAPartitionOfThePixels) {
  for (const int size : {1, 2, 7, 56}) {
    const TapCoverage coverage = square_coverage(3, 2, size);
    double pixels = 0;
    std::vector<double> shares(9);
    for (const TapCoverage::View& view : coverage.views()) {
      pixels += view.share;
      for (const std::size_t tap : view.taps) shares[tap] += view.share;
    }
    EXPECT_NEAR(pixels, 1, 1e-14);
    for (std::size_t tap = 0; tap < 9; ++tap) {
      EXPECT_NEAR(shares[tap], coverage.shares()[tap], 1e-14);
    }
  }
}

TEST(TapCoverage, OnePixelMeetsTheCentreOnly) {
  const TapCoverage coverage = square_coverage(3, 1, 1);
  EXPECT_EQ(coverage.shares(), (std::vector<double>{0, 0, 0, 0, 1, 0, 0, 0, 0}));
}

// A window and where its first and last places begin, found by hand.
struct Case {
  Window window;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t before_rows = 0;  // of the padding
  std::int64_t before_columns = 0;
  std::int64_t out_height = 0;
  std::int64_t out_width = 0;
};

double counted_share(const Case& shape, std::int64_t tap_y, std::int64_t tap_x) {
  const Window& window = shape.window;
  std::int64_t inside = 0;
  for (std::int64_t y = 0; y < shape.out_height; ++y) {
    for (std::int64_t x = 0; x < shape.out_width; ++x) {
      const std::int64_t row =
          y * window.strides[0] + tap_y * window.dilations[0] - shape.before_rows;
      const std::int64_t column =
          x * window.strides[1] + tap_x * window.dilations[1] - shape.before_columns;
      inside += row >= 0 && row < shape.height && column >= 0 && column < shape.width ? 1 : 0;
    }
  }
  return static_cast<double>(inside) /
         (static_cast<double>(shape.out_height) * static_cast<double>(shape.out_width));
}

class Windows : public testing::TestWithParam<Case> {};

TEST_P(Windows, SharesAreThoseCountedPixelByPixel) {
  const Case& shape = GetParam();
  const TapCoverage coverage(shape.window, shape.height, shape.width);
  const std::int64_t columns = shape.window.kernel[1];
  ASSERT_EQ(coverage.shares().size(), static_cast<std::size_t>(shape.window.kernel[0] * columns));
  std::vector<double> seen(coverage.shares().size());
  for (const TapCoverage::View& view : coverage.views()) {
    for (const std::size_t tap : view.taps) seen[tap] += view.share;
  }
  for (std::size_t tap = 0; tap < seen.size(); ++tap) {
    const auto i = static_cast<std::int64_t>(tap);
    EXPECT_EQ(coverage.shares()[tap], counted_share(shape, i / columns, i % columns)) << tap;
    EXPECT_NEAR(seen[tap], coverage.shares()[tap], 1e-14);
  }
}

const Window kTall = {{5, 1}, {2, 1}, {1, 1}, {2, 0, 2, 0}, AutoPad::kNotSet};
const Window kWide = {{1, 4}, {1, 3}, {1, 1}, {0, 1, 0, 2}, AutoPad::kNotSet};
const Window kDilated = {{3, 3}, {1, 1}, {2, 4}, {2, 4, 2, 4}, AutoPad::kNotSet};
const Window kLower = {{3, 2}, {2, 1}, {1, 1}, {0, 0, 0, 0}, AutoPad::kSameLower};
const Window kUnpadded = {{3, 3}, {1, 2}, {1, 1}, {0, 0, 0, 0}, AutoPad::kValid};

INSTANTIATE_TEST_SUITE_P(
    Shapes, Windows,
    testing::Values(Case{kTall, 7, 3, 2, 0, 4, 3}, Case{kTall, 2, 5, 2, 0, 1, 5},
                    Case{kWide, 2, 9, 0, 1, 2, 3}, Case{kDilated, 6, 5, 2, 4, 6, 5},
                    Case{kDilated, 1, 12, 2, 4, 1, 12},
                    // SAME puts the odd element of its padding at the end, or at the beginning.
                    Case{same_window(3, 2), 8, 7, 0, 1, 4, 4},
                    Case{same_window(2, 1), 3, 4, 0, 0, 3, 4}, Case{kLower, 8, 3, 1, 1, 4, 3},
                    Case{kUnpadded, 5, 8, 0, 0, 3, 3}));

TEST(TapCoverage, WhatHasNoTapsInAnImageIsRefused) {
  const Window line = {{3}, {1}, {1}, {1, 1}, AutoPad::kNotSet};
  EXPECT_THROW(TapCoverage(line, 8, 8), Error);
  EXPECT_THROW(TapCoverage(kUnpadded, 2, 8), Error);
}

TEST(TapCoverage, LayersSeeWhatTheStridesLeave) {
  const Graph graph = resnet_v1("resnet_v1_50", 10);
  const std::vector<Layer> all = layers(graph);
  const auto coverage = tap_coverage(graph, all, 32);
  EXPECT_EQ(coverage.size(), all.size());
  const auto conv2 = [](int block, int unit) {
    return "resnet_v1_50/block" + std::to_string(block) + "/unit_" + std::to_string(unit) +
           "/bottleneck_v1/conv2";
  };
  const auto side_share = [&](int block, int unit) {
    return coverage.at(conv2(block, unit)).shares()[1];
  };
  EXPECT_EQ(side_share(1, 1), 7.0 / 8);  // 8 x 8 pixels
  EXPECT_EQ(side_share(1, 3), 3.0 / 4);  // stride 2: the first row of 4 lacks the tap above
  EXPECT_EQ(side_share(2, 1), 3.0 / 4);  // 4 x 4
  EXPECT_EQ(side_share(3, 1), 1.0 / 2);  // 2 x 2
  EXPECT_EQ(side_share(4, 1), 0);        // 1 x 1
  EXPECT_EQ(coverage.at("resnet_v1_50/logits").shares(), std::vector<double>{1});
  const auto full = tap_coverage(graph, all, 224);
  EXPECT_EQ(full.at(conv2(1, 1)).shares()[1], 55.0 / 56);
}

}  // namespace
}  // namespace narrow
