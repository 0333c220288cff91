#include <array>

#include "nn/winograd/winograd_transforms.h"

namespace narrow {
namespace {

constexpr std::size_t kTaps = 3;
constexpr std::size_t kSide = 6;

// G of the paper, one row a point.
constexpr std::array<std::array<double, kTaps>, kSide> kKernelTransform = {
    {{1.0 / 4, 0, 0},
     {-1.0 / 6, -1.0 / 6, -1.0 / 6},
     {-1.0 / 6, 1.0 / 6, -1.0 / 6},
     {1.0 / 24, 1.0 / 12, 1.0 / 6},
     {1.0 / 24, -1.0 / 12, 1.0 / 6},
     {0, 0, 1}}};

}  // namespace

std::vector<float> winograd_weights(std::span<const float> kernel, int in_depth, int out_depth) {
  const auto row = static_cast<std::size_t>(out_depth);
  const std::size_t plane = static_cast<std::size_t>(in_depth) * row;
  std::vector<float> matrices(kWinogradPoints * plane);
  std::vector<double> columns(kSide * kTaps * row);  // G times the kernel: [6][3][out_depth]
  for (std::size_t in = 0; in < plane; in += row) {
    for (std::size_t a = 0; a < kSide; ++a) {
      const auto& g = kKernelTransform[a];
      for (std::size_t x = 0; x < kTaps; ++x) {
        const float* const taps = &kernel[x * plane + in];
        double* const to = &columns[(a * kTaps + x) * row];
        for (std::size_t k = 0; k < row; ++k) {
          to[k] =
              g[0] * taps[k] + g[1] * taps[kTaps * plane + k] + g[2] * taps[2 * kTaps * plane + k];
        }
      }
    }
    for (std::size_t point = 0; point < kWinogradPoints; ++point) {
      const double* const from = &columns[point / kSide * kTaps * row];
      const auto& g = kKernelTransform[point % kSide];
      float* const to = &matrices[point * plane + in];
      for (std::size_t k = 0; k < row; ++k) {
        to[k] =
            static_cast<float>(g[0] * from[k] + g[1] * from[row + k] + g[2] * from[2 * row + k]);
      }
    }
  }
  return matrices;
}

}  // namespace narrow
