// Every instruction set that this processor has, against the definition in double: what lies
// between the transforms is multiplied here, element by element.
#include "nn/winograd/winograd_kernels.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "graph/testing/hashed_values.h"

namespace narrow::winograd {
namespace {

constexpr int kHeight = 6;  // the tile at (4, 4) reaches beyond the image
constexpr int kWidth = 7;
constexpr std::size_t kChannels = 37;  // whole vectors of every width, and a rest
constexpr std::size_t kPlaneStep = 40;

std::vector<float> hashed(std::size_t count, std::uint32_t seed) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(2 * hashed_uniform(seed + static_cast<std::uint32_t>(i)) - 1);
  }
  return values;
}

class WinogradKernelsTest : public testing::TestWithParam<std::int64_t> {
 protected:
  WinogradKernelsTest() {
    hwy::SetSupportedTargetsForTest(GetParam());
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  ~WinogradKernelsTest() override {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }

  [[nodiscard]] static double at(const std::vector<float>& image, int y, int x, std::size_t c) {
    if (y < 0 || y >= kHeight || x < 0 || x >= kWidth) return 0;
    return image[(static_cast<std::size_t>(y) * kWidth + x) * kChannels + c];
  }
  [[nodiscard]] static std::vector<float> planes(int taps) {
    return std::vector<float>(winograd_planes(taps) * kPlaneStep);
  }

  WinogradPlace place_{kHeight, kWidth, kChannels, 4, 4};
  std::vector<float> image_ = hashed(kHeight * kWidth * kChannels, 1);
  std::vector<float> kernel_ = hashed(25 * kChannels, 5000);  // of each channel
};

// Rows or columns, numbered from 0, that a tile from 4 on has.
bool is_in_tile(int place) { return place >= 4; }

TEST_P(WinogradKernelsTest, ConvolvesATile) {
  for (const auto& [taps, flipped] : {std::pair(3, false), {3, true}, {5, false}, {5, true}}) {
    std::vector<float> seen = planes(taps);
    std::vector<float> kernels = planes(taps);
    const WinogradKernels& transforms = winograd_kernels(taps);
    transforms.transform_input(place_, image_.data(), seen.data(), kPlaneStep);
    transforms.transform_kernel(kernel_.data(), kChannels, kChannels, flipped, kernels.data(),
                                kPlaneStep);
    for (std::size_t i = 0; i < seen.size(); ++i) seen[i] *= kernels[i];
    std::vector<float> y(image_.size(), 5.0F);
    transforms.transform_output(place_, seen.data(), kPlaneStep, y.data());
    const int margin = (taps - 1) / 2;
    const int last = taps * taps - 1;
    for (int row = 0; row < kHeight; ++row) {
      for (int column = 0; column < kWidth; ++column) {
        for (std::size_t c = 0; c < kChannels; ++c) {
          double expected = 0;
          for (int tap = 0; tap <= last; ++tap) {
            expected +=
                at(image_, row + tap / taps - margin, column + tap % taps - margin, c) *
                kernel_[static_cast<std::size_t>(flipped ? last - tap : tap) * kChannels + c];
          }
          const bool in_tile = is_in_tile(row) && is_in_tile(column);
          ASSERT_NEAR(at(y, row, column, c), in_tile ? expected : 5, 2e-5) << row << ' ' << column;
        }
      }
    }
  }
}

TEST_P(WinogradKernelsTest, GradientOfTheKernel) {
  const std::vector<float> dy = hashed(image_.size(), 9000);
  for (const int taps : {3, 5}) {
    std::vector<float> seen = planes(taps);
    std::vector<float> gradients = planes(taps);
    const WinogradKernels& transforms = winograd_kernels(taps);
    transforms.transform_input(place_, image_.data(), seen.data(), kPlaneStep);
    transforms.transform_output_gradient(place_, dy.data(), gradients.data(), kPlaneStep);
    for (std::size_t i = 0; i < seen.size(); ++i) seen[i] *= gradients[i];
    const int tap_count = taps * taps;
    const int margin = (taps - 1) / 2;
    std::vector<float> found(static_cast<std::size_t>(tap_count) * kChannels);
    transforms.transform_kernel_gradient(seen.data(), kPlaneStep, kChannels, found.data(),
                                         kChannels);
    for (int tap = 0; tap < tap_count; ++tap) {
      for (std::size_t c = 0; c < kChannels; ++c) {
        double expected = 0;
        for (int row = 0; row < kHeight; ++row) {
          for (int column = 0; column < kWidth; ++column) {
            if (!is_in_tile(row) || !is_in_tile(column)) continue;
            expected += at(dy, row, column, c) *
                        at(image_, row + tap / taps - margin, column + tap % taps - margin, c);
          }
        }
        EXPECT_NEAR(found[static_cast<std::size_t>(tap) * kChannels + c], expected, 2e-5);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, WinogradKernelsTest,
                         testing::ValuesIn(hwy::SupportedAndGeneratedTargets()),
                         [](const auto& test) { return std::string(hwy::TargetName(test.param)); });

}  // namespace
}  // namespace narrow::winograd
