// The kinds of convolution against the definition in double, and their gradients against each other
// by what defines them: <dy, conv(x, w)> is linear in x and in w.
#include "nn/training/convolutions/training_conv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "nn/hashed_values.h"
#include "nn/onednn_support.h"
#include "nn/plain_layers_test_support.h"

namespace narrow {
namespace {

using Make = std::function<std::unique_ptr<TrainingConv>(const ConvLayer&, const ConvGeometry&)>;

struct Case {
  int kernel;
  int stride;
  int in_depth;
  int out_depth;
  int images;
  int height;
  int width;
};

std::vector<float> hashed(std::size_t count, std::uint32_t seed) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(hashed_uniform(seed + static_cast<std::uint32_t>(i)) - 0.5);
  }
  return values;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

void check(const Make& make, const Case& c) {
  SCOPED_TRACE(testing::Message() << "kernel " << c.kernel << " stride " << c.stride << " depths "
                                  << c.in_depth << " " << c.out_depth << " size " << c.height
                                  << " x " << c.width);
  const ConvLayer layer{"layer", c.kernel, c.in_depth, c.out_depth, c.stride, true};
  const ConvGeometry geometry = conv_geometry(layer, c.images, c.height, c.width);
  const auto conv = make(layer, geometry);
  const auto in_size = static_cast<std::size_t>(c.height) * c.width * c.in_depth;
  const auto out_size =
      static_cast<std::size_t>(geometry.out_height) * geometry.out_width * c.out_depth;
  const auto images = static_cast<std::size_t>(c.images);
  const std::vector<float> x = hashed(images * in_size, 1);
  const std::vector<float> w = hashed(element_count(layer.weights_shape()), 1000000);
  const std::vector<float> dy = hashed(images * out_size, 2000000);
  std::vector<std::byte> scratch(conv->scratch_bytes() + 64);
  void* place = scratch.data();
  std::size_t space = scratch.size();
  auto* aligned = static_cast<std::byte*>(std::align(64, conv->scratch_bytes(), place, space));

  std::vector<float> y(images * out_size, NAN);
  conv->forward(x.data(), w.data(), y.data(), aligned);
  for (std::size_t i = 0; i < images; ++i) {
    Image image(c.height, c.width, c.in_depth);
    std::copy_n(x.begin() + static_cast<std::ptrdiff_t>(i * in_size), in_size,
                image.values.begin());
    const Image expected = conv2d_same(image, w, c.kernel, c.stride, c.out_depth);
    for (std::size_t k = 0; k < out_size; ++k) {
      ASSERT_NEAR(y[i * out_size + k], expected.values[k], 1e-4) << "image " << i;
    }
  }

  std::vector<float> dx(x.size(), NAN);
  conv->backward_data(dy.data(), w.data(), dx.data(), false, aligned);
  std::vector<float> dw(w.size(), NAN);
  conv->backward_weights(x.data(), dy.data(), dw.data(), aligned);
  const double product = dot(y, dy);
  const double tolerance = 1e-4 * std::sqrt(static_cast<double>(y.size() * w.size()));
  EXPECT_NEAR(dot(dx, x), product, tolerance);
  EXPECT_NEAR(dot(dw, w), product, tolerance);
  // Single elements: the gradient of <dy, y> is its difference when one element changes by 1.
  const auto difference = [&](std::vector<float> other_x, std::vector<float> other_w) {
    std::vector<float> other_y(y.size());
    conv->forward(other_x.data(), other_w.data(), other_y.data(), aligned);
    return dot(other_y, dy) - product;
  };
  for (std::size_t i = 0; i < x.size(); i += x.size() / 5 + 1) {
    std::vector<float> changed = x;
    changed[i] += 1;
    EXPECT_NEAR(dx[i], difference(changed, w), 1e-3) << i;
  }
  for (std::size_t i = 0; i < w.size(); i += w.size() / 5 + 1) {
    std::vector<float> changed = w;
    changed[i] += 1;
    EXPECT_NEAR(dw[i], difference(x, changed), 1e-3) << i;
  }
}

TEST(TrainingConvTest, Pointwise) {
  for (const Case& c : {Case{1, 1, 5, 3, 2, 4, 3}, Case{1, 1, 32, 48, 3, 1, 1}}) {
    check(make_pointwise_conv, c);
  }
}

// Enough rows that threads share them when the gradient of the weights is computed, with a rest.
TEST(TrainingConvTest, PointwiseWithManyRows) {
  for (const int threads : {1, 2, 3}) {
    const OneDnnThreads limit(threads);
    check(make_pointwise_conv, {1, 1, 24, 13, 5, 16, 13});
  }
}

TEST(TrainingConvTest, PointwiseAddsToTheGradient) {
  const ConvLayer layer{"layer", 1, 6, 4, 1, true};
  const auto conv = make_pointwise_conv(layer, conv_geometry(layer, 2, 3, 3));
  const std::vector<float> w = hashed(24, 1);
  const std::vector<float> dy = hashed(72, 100);
  std::vector<float> fresh(108);
  std::vector<float> added(108, 2.0F);
  conv->backward_data(dy.data(), w.data(), fresh.data(), false, nullptr);
  conv->backward_data(dy.data(), w.data(), added.data(), true, nullptr);
  for (std::size_t i = 0; i < fresh.size(); ++i) EXPECT_NEAR(added[i], fresh[i] + 2, 1e-6);
}

const std::vector<Case> kSpatial = {{3, 1, 16, 32, 4, 1, 1}, {3, 1, 16, 16, 3, 2, 2},
                                    {3, 2, 16, 16, 3, 2, 2}, {3, 2, 5, 7, 2, 4, 4},
                                    {3, 1, 3, 4, 2, 1, 3},   {3, 3, 8, 8, 2, 5, 2},
                                    {7, 2, 3, 16, 2, 2, 3},  {7, 2, 3, 5, 1, 1, 1}};

TEST(TrainingConvTest, Taps) {
  for (const Case& c : kSpatial) check(make_tap_conv, c);
}

TEST(TrainingConvTest, Winograd) {
  for (const Case& c : {Case{3, 1, 16, 32, 4, 1, 1}, Case{3, 1, 5, 7, 2, 4, 4},
                        Case{3, 1, 3, 4, 2, 9, 6}, Case{3, 1, 40, 33, 2, 7, 14}}) {
    check(make_winograd_conv, c);
  }
}

// More images than are taken at once, with a rest.
TEST(TrainingConvTest, WinogradTakesImagesInTurns) {
  check(make_winograd_conv, {3, 1, 64, 48, 7, 56, 56});
}

TEST(TrainingConvTest, OneDnn) {
  for (const Case& c : kSpatial) check(make_onednn_conv, c);
  for (const Case& c : {Case{7, 2, 3, 64, 2, 32, 31}, Case{3, 2, 64, 64, 2, 9, 8}}) {
    check(make_onednn_conv, c);
  }
}

TEST(TrainingConvTest, TapPairsAreCounted) {
  const ConvLayer layer{"layer", 3, 1, 1, 1, true};
  EXPECT_EQ(tap_pair_count(layer, conv_geometry(layer, 9, 1, 1)), 1);
  EXPECT_EQ(tap_pair_count(layer, conv_geometry(layer, 9, 2, 2)), 16);
  EXPECT_EQ(tap_pair_count(layer, conv_geometry(layer, 9, 4, 4)), 100);
  const ConvLayer strided{"layer", 3, 1, 1, 2, true};
  EXPECT_EQ(tap_pair_count(strided, conv_geometry(strided, 9, 2, 2)), 4);
  EXPECT_EQ(tap_pair_count(strided, conv_geometry(strided, 9, 4, 4)), 25);
}

}  // namespace
}  // namespace narrow
