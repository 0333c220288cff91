#include "tasks/network/correction/tap_coverage.h"

#include <gtest/gtest.h>

#include "tasks/evaluation/evaluation_for_test.h"

namespace narrow {
namespace {

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
        const TapCoverage coverage(kernel, stride, size);
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
    const TapCoverage coverage(3, 2, size);
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
  const TapCoverage coverage(3, 1, 1);
  EXPECT_EQ(coverage.shares(), (std::vector<double>{0, 0, 0, 0, 1, 0, 0, 0, 0}));
}

TEST(TapCoverage, LayersSeeWhatTheStridesLeave) {
  const ResnetV1 network = resnet_v1("resnet_v1_50", 10);
  const auto coverage = tap_coverage(network, 32);
  EXPECT_EQ(coverage.size(), network.conv_layers().size() + 1);
  const auto side_share = [&](std::size_t unit) {
    return coverage.at(network.units[unit].conv2.name).shares()[1];
  };
  EXPECT_EQ(side_share(0), 7.0 / 8);  // 8 x 8 pixels
  EXPECT_EQ(side_share(2), 3.0 / 4);  // stride 2: the first row of 4 lacks the tap above
  EXPECT_EQ(side_share(3), 3.0 / 4);  // 4 x 4
  EXPECT_EQ(side_share(7), 1.0 / 2);  // 2 x 2
  EXPECT_EQ(side_share(13), 0);       // 1 x 1
  EXPECT_EQ(coverage.at(network.logits_name()).shares(), std::vector<double>{1});
  const auto full = tap_coverage(network, 224);
  EXPECT_EQ(full.at(network.units[0].conv2.name).shares()[1], 55.0 / 56);
}

}  // namespace
}  // namespace narrow
