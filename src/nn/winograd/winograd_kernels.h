// The transforms of Winograd's minimal filterings F(4x4, 3x3) and F(4x4, 5x5): a 4x4 tile of a
// convolution with stride 1 takes, for each pair of channels, 36 products instead of 144 with a 3x3
// kernel, and 64 instead of 400 with a 5x5 kernel. Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", 2016. Compiled for every instruction set, chosen at run time.
//
// With the matrices A, B and G of the paper, * for the product element by element, d the pixels
// that a tile y sees, g the kernel:
//   y = A' [(G g G') * (B' d B)] A, and therefore, the function being linear in d and in g,
//   dg = G' [(B' d B) * (A dy A')] G.
#pragma once

#include <cstddef>

namespace narrow::winograd {

constexpr int kWinogradTile = 4;
// For kernels of 3 or 5 taps along each axis.
constexpr std::size_t winograd_planes(int taps) {
  const auto seen = static_cast<std::size_t>(kWinogradTile + taps - 1);
  return seen * seen;
}
constexpr std::size_t kWinogradPlanes = winograd_planes(3);

// One image, [height, width, channels], and a tile of 4x4 of its pixels from (top, left) on. Pixels
// outside of the image are zero and are not written.
struct WinogradPlace {
  int height = 0;
  int width = 0;
  std::size_t channels = 0;
  int top = 0;
  int left = 0;
};

// What is transformed has winograd_planes() values a channel; value p of all channels is at p *
// plane_step.
struct WinogradKernels {
  // B' d B of the pixels from (top - margin, left - margin) on; the margin is (taps - 1) / 2.
  void (*transform_input)(const WinogradPlace& place, const float* image, float* planes,
                          std::size_t plane_step);
  // A' m A.
  void (*transform_output)(const WinogradPlace& place, const float* planes, std::size_t plane_step,
                           float* image);
  // A dy A'.
  void (*transform_output_gradient)(const WinogradPlace& place, const float* image, float* planes,
                                    std::size_t plane_step);
  // G g G' of `count` kernels, tap t of which is at t * tap_step; `flipped`: upside down and left
  // to right.
  void (*transform_kernel)(const float* taps, std::size_t tap_step, std::size_t count, bool flipped,
                           float* planes, std::size_t plane_step);
  // G' u G.
  void (*transform_kernel_gradient)(const float* planes, std::size_t plane_step, std::size_t count,
                                    float* taps, std::size_t tap_step);
};

// For 3 or 5 taps, those of the best instruction set of this processor.
const WinogradKernels& winograd_kernels(int taps);

}  // namespace narrow::winograd
