// Winograd's convolution, its products made by plain loops, against the definition in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "nn/reference/reference_operators.h"
#include "nn/winograd/winograd_tiles.h"

namespace narrow::winograd {
namespace {

struct Layer {
  int images;
  int height;
  int width;
  int in_channels;
  int out_channels;
  int block;
  bool nhwc;
  int chunks;  // the tiles are taken in so many ranges
  int padding = 1;

  [[nodiscard]] int smaller() const { return 2 * (1 - padding); }
};

std::vector<float> random_values(std::size_t count, const std::string& name) {
  RandomStream random(1, name);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

WinogradImages stored_images(const Layer& layer, int channels, int height, int width) {
  WinogradImages images{height, width, channels, layer.block, 0, 0, 0};
  const auto pixels = static_cast<std::size_t>(height) * width;
  images.image_distance = pixels * channels;
  images.pixel_distance = layer.nhwc ? channels : layer.block;
  images.block_distance = layer.nhwc ? layer.block : pixels * layer.block;
  return images;
}

WinogradImages input_images(const Layer& layer) {
  WinogradImages images = stored_images(layer, layer.in_channels, layer.height, layer.width);
  images.padding = layer.padding;
  return images;
}

WinogradImages output_images(const Layer& layer) {
  return stored_images(layer, layer.out_channels, layer.height - layer.smaller(),
                       layer.width - layer.smaller());
}

std::size_t place(const WinogradImages& images, int n, int y, int x, int c) {
  return n * images.image_distance +
         (static_cast<std::size_t>(y) * images.width + x) * images.pixel_distance +
         static_cast<std::size_t>(c / images.channel_block) * images.block_distance +
         static_cast<std::size_t>(c % images.channel_block);
}

// The matrix products of some tiles, plane by plane.
void multiply(const Layer& layer, const std::vector<float>& matrices, std::int64_t tiles,
              const WinogradPlanes& from, const WinogradPlanes& to) {
  const auto at = [&](const WinogradPlanes& planes, std::size_t p, std::int64_t t,
                      int c) -> float& {
    return planes.values[p * planes.plane_distance +
                         (static_cast<std::size_t>(c / layer.block) * tiles + t) * layer.block +
                         c % layer.block];
  };
  for (std::size_t p = 0; p < kWinogradPlanes; ++p) {
    for (std::int64_t t = 0; t < tiles; ++t) {
      for (int k = 0; k < layer.out_channels; ++k) {
        double sum = 0;
        for (int c = 0; c < layer.in_channels; ++c) {
          sum += static_cast<double>(at(from, p, t, c)) *
                 matrices[(p * layer.in_channels + c) * layer.out_channels + k];
        }
        at(to, p, t, k) = static_cast<float>(sum);
      }
    }
  }
}

std::vector<float> convolve(const Layer& layer, const std::vector<float>& values,
                            const std::vector<float>& kernel, const std::vector<float>& biases,
                            bool relu) {
  const WinogradImages in = input_images(layer);
  const WinogradImages out = output_images(layer);
  const std::size_t pairs = static_cast<std::size_t>(layer.in_channels) * layer.out_channels;
  std::vector<float> matrices(kWinogradPlanes * pairs);
  winograd_kernels(3).transform_kernel(kernel.data(), pairs, pairs, false, matrices.data(), pairs);
  const std::int64_t all = layer.images * in.tiles_per_image();
  std::vector<float> results(layer.images * out.image_distance);
  for (std::int64_t chunk = 0; chunk < layer.chunks; ++chunk) {
    const std::int64_t first = all * chunk / layer.chunks;
    const TileRange tiles{first, all * (chunk + 1) / layer.chunks - first};
    constexpr std::size_t kGap = 16;
    const std::size_t in_plane = tiles.count * layer.in_channels + kGap;
    const std::size_t out_plane = tiles.count * layer.out_channels + kGap;
    std::vector<float> operands(kWinogradPlanes * in_plane);
    std::vector<float> products(kWinogradPlanes * out_plane);
    input_tiles(in, values.data(), tiles, {operands.data(), in_plane});
    multiply(layer, matrices, tiles.count, {operands.data(), in_plane},
             {products.data(), out_plane});
    output_tiles(out, {products.data(), out_plane}, tiles, biases.data(), relu, results.data());
  }
  return results;
}

// By the reference operator; `kernel` is [3, 3, in, out].
ReferenceTensor definition(const Layer& layer, const std::vector<float>& values,
                           const std::vector<float>& kernel, const std::vector<float>& biases) {
  const WinogradImages in = input_images(layer);
  ReferenceTensor x =
      ReferenceTensor::zeros({layer.images, layer.in_channels, layer.height, layer.width});
  std::size_t i = 0;
  for (int n = 0; n < layer.images; ++n) {
    for (int c = 0; c < layer.in_channels; ++c) {
      for (int y = 0; y < layer.height; ++y) {
        for (int column = 0; column < layer.width; ++column) {
          x.values[i++] = values[place(in, n, y, column, c)];
        }
      }
    }
  }
  ReferenceTensor weights = ReferenceTensor::zeros({layer.out_channels, layer.in_channels, 3, 3});
  for (std::size_t w = 0; w < weights.values.size(); ++w) {
    const std::size_t tap = w % 9;
    const std::size_t c = w / 9 % layer.in_channels;
    const std::size_t k = w / 9 / layer.in_channels;
    weights.values[w] = kernel[(tap * layer.in_channels + c) * layer.out_channels + k];
  }
  const ReferenceTensor offsets = {{layer.out_channels}, {biases.begin(), biases.end()}};
  const ReferenceTensor* const inputs[] = {&x, &weights, &offsets};
  return run_operator(op::Conv{square_window(3, 1, layer.padding)}, inputs);
}

class WinogradConvolution : public testing::TestWithParam<Layer> {};

TEST_P(WinogradConvolution, EqualsTheDefinition) {
  const Layer& layer = GetParam();
  const WinogradImages in = input_images(layer);
  const WinogradImages out = output_images(layer);
  const auto values = random_values(layer.images * in.image_distance, "values");
  const auto kernel =
      random_values(std::size_t{9} * layer.in_channels * layer.out_channels, "kernel");
  const auto biases = random_values(layer.out_channels, "biases");
  const ReferenceTensor expected = definition(layer, values, kernel, biases);
  for (const bool relu : {false, true}) {
    const auto found = convolve(layer, values, kernel, biases, relu);
    std::size_t i = 0;
    for (int n = 0; n < layer.images; ++n) {
      for (int k = 0; k < layer.out_channels; ++k) {
        for (int y = 0; y < out.height; ++y) {
          for (int column = 0; column < out.width; ++column, ++i) {
            const double sum = expected.values[i];
            // Sums of 9 * in_channels products of about 1; a transform multiplies by up to 100.
            ASSERT_NEAR(found[place(out, n, y, column, k)], relu ? std::max(sum, 0.0) : sum, 2e-4)
                << n << ' ' << y << ' ' << column << ' ' << k;
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layers, WinogradConvolution,
    testing::Values(Layer{1, 4, 4, 8, 8, 8, false, 1}, Layer{2, 7, 7, 16, 24, 8, false, 1},
                    Layer{2, 14, 14, 16, 8, 8, false, 3}, Layer{3, 5, 9, 8, 16, 8, false, 5},
                    Layer{2, 13, 6, 16, 32, 16, false, 2}, Layer{2, 7, 7, 16, 24, 8, true, 1},
                    Layer{2, 9, 11, 32, 16, 16, true, 4}, Layer{1, 1, 1, 8, 8, 8, true, 1},
                    Layer{2, 3, 2, 8, 8, 8, false, 1}, Layer{2, 13, 8, 16, 8, 8, false, 3, 0},
                    Layer{1, 6, 6, 8, 8, 8, true, 1, 0}, Layer{2, 3, 5, 8, 16, 8, false, 1, 0}));

TEST(WinogradConvolution, KeepsNan) {
  const Layer layer{1, 4, 4, 8, 8, 8, false, 1};
  std::vector<float> values(16 * 8, 1.0F);
  values[5 * 8] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> kernel(std::size_t{9} * 8 * 8, 1.0F);
  const std::vector<float> biases(8);
  const auto found = convolve(layer, values, kernel, biases, true);
  EXPECT_TRUE(std::isnan(found[5 * 8]));
}

}  // namespace
}  // namespace narrow::winograd
