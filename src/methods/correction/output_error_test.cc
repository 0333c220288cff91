#include "methods/correction/output_error.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace narrow {
namespace {

constexpr std::size_t kInputs = 3;
constexpr std::size_t kOutputs = 2;

struct Case {
  int kernel = 3;
  int stride = 1;
  int size = 1;
};

LayerValues random_layer(int kernel, std::uint64_t seed) {
  RandomStream stream(seed, "layer");
  LayerValues layer;
  layer.in_channels = kInputs;
  layer.out_channels = kOutputs;
  layer.weights.resize(static_cast<std::size_t>(kernel * kernel) * kInputs * kOutputs);
  for (float& weight : layer.weights) weight = static_cast<float>(stream.normal());
  for (std::size_t c = 0; c < kOutputs; ++c) {
    layer.slope.push_back(1 + 0.2 * stream.normal());
    layer.offset.push_back(stream.normal());
  }
  return layer;
}

InputModel model_of(const Case& shape) {
  InputModel model;
  model.channels = {{0.5, 1.0}, {-0.25, 0.5}, {2.0, 5.0}};
  model.taps = TapCoverage(square_window(shape.kernel, shape.stride, shape.kernel / 2), shape.size,
                           shape.size);
  return model;
}

// Mean and second moment over independent pixels, at every output pixel: the weights of the taps
// that lie inside, one by one.
template <typename WeightAt>
Moments counted(const Case& shape, const InputModel& model, std::size_t channel, double constant,
                const WeightAt& weight) {
  Moments sum;
  int pixels = 0;
  for (int y = 0; y < shape.size; y += shape.stride) {
    for (int x = 0; x < shape.size; x += shape.stride) {
      Moments output = {constant, 0};
      for (int tap = 0; tap < shape.kernel * shape.kernel; ++tap) {
        const int row = y + tap / shape.kernel - shape.kernel / 2;
        const int column = x + tap % shape.kernel - shape.kernel / 2;
        if (row < 0 || row >= shape.size || column < 0 || column >= shape.size) continue;
        for (std::size_t j = 0; j < kInputs; ++j) {
          const double w =
              weight((static_cast<std::size_t>(tap) * kInputs + j) * kOutputs + channel);
          output.mean += w * model.channels[j].mean;
          output.second += w * w * model.channels[j].variance();
        }
      }
      sum.mean += output.mean;
      sum.second += output.second + output.mean * output.mean;
      ++pixels;
    }
  }
  return {sum.mean / pixels, sum.second / pixels};
}

class SmallImages : public testing::TestWithParam<Case> {};

TEST_P(SmallImages, ProductsAreThoseOfEveryPixel) {
  const Case& shape = GetParam();
  const InputModel model = model_of(shape);
  const LayerValues layer = random_layer(shape.kernel, 1);
  const auto products = estimate_products(layer, model);
  for (std::size_t c = 0; c < kOutputs; ++c) {
    const Moments expected =
        counted(shape, model, c, 0, [&](std::size_t i) { return double{layer.weights[i]}; });
    EXPECT_NEAR(products[c].mean, expected.mean, 1e-12 * (1 + std::fabs(expected.mean)));
    EXPECT_NEAR(products[c].second, expected.second, 1e-12 * expected.second);
  }
}

TEST_P(SmallImages, OutputErrorIsThatOfEveryPixel) {
  const Case& shape = GetParam();
  const InputModel model = model_of(shape);
  const LayerValues before = random_layer(shape.kernel, 1);
  const LayerValues after = random_layer(shape.kernel, 2);
  double noise = 0;
  double signal = 0;
  for (std::size_t c = 0; c < kOutputs; ++c) {
    const auto was = [&](std::size_t i) { return before.slope[c] * before.weights[i]; };
    noise += counted(shape, model, c, after.offset[c] - before.offset[c], [&](std::size_t i) {
               return after.slope[c] * after.weights[i] - was(i);
             }).second;
    signal += counted(shape, model, c, 0, was).variance();
  }
  const OutputError error = estimate_output_error(before, after, model);
  EXPECT_NEAR(error.noise, noise, 1e-12 * noise);
  EXPECT_NEAR(error.signal, signal, 1e-12 * signal);
}

INSTANTIATE_TEST_SUITE_P(Sizes, SmallImages,
                         testing::Values(Case{3, 1, 1}, Case{3, 1, 2}, Case{3, 2, 2}, Case{3, 2, 5},
                                         Case{7, 2, 6}, Case{1, 1, 4}));

}  // namespace
}  // namespace narrow
