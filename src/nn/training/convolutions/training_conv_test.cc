// The kinds of convolution against the reference operator, and their gradients against each other
// by what defines them: <dy, conv(x, w)> is linear in x and in w.
#include "nn/training/convolutions/training_conv.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "graph/graph_builder.h"
#include "graph/layers.h"
#include "graph/testing/hashed_values.h"
#include "nn/onednn_support.h"
#include "nn/reference/reference_network.h"
#include "nn/testing/image_planes.h"

namespace narrow {
namespace {

using Make = std::function<std::unique_ptr<TrainingConv>(const ConvGeometry&)>;

struct Case {
  int kernel;
  int stride;
  int in_channels;
  int out_channels;
  int images;
  int height;
  int width;
};

// One convolution with Slim's padding.
Graph graph_of(const Case& c) {
  GraphBuilder builder("single");
  const ValueId x = builder.input("images", {c.images, c.in_channels, c.height, c.width});
  return builder.finish({builder.conv("conv", x, c.in_channels, c.out_channels,
                                      square_window(c.kernel, c.stride, (c.kernel - 1) / 2))});
}

ConvGeometry geometry_of(const Case& c) {
  return conv_geometry(layers(graph_of(c)).at(0), c.images, c.height, c.width);
}

WindowConv as_window_conv(const ConvGeometry& geometry) {
  WindowConv conv;
  conv.images = geometry.images;
  conv.in_channels = geometry.in_channels;
  conv.out_channels = geometry.out_channels;
  conv.kernel = {geometry.kernel, geometry.kernel};
  conv.strides = {geometry.stride, geometry.stride};
  conv.in = {geometry.in_height, geometry.in_width};
  conv.out = {geometry.out_height, geometry.out_width};
  conv.before = {geometry.padding(), geometry.padding()};
  return conv;
}

std::vector<float> hashed(std::size_t count, std::uint32_t seed) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(hashed_uniform(seed + static_cast<std::uint32_t>(i)) - 0.5);
  }
  return values;
}

// [images, height, width, channels].
std::vector<double> expected_output(const Graph& graph, const WindowConv& c,
                                    const std::vector<float>& x, const std::vector<float>& w) {
  const auto values =
      run_reference(graph, {{"conv/weights", std::vector<double>(w.begin(), w.end())}},
                    {as_planes(x, {c.images, c.in_channels, c.in[0], c.in[1]})});
  return as_pixels(values[static_cast<std::size_t>(graph.outputs[0])]);
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// `graph` is the convolution alone.
void check(const TrainingConv& kind, const WindowConv& c, const Graph& graph) {
  const TrainingConv* const conv = &kind;
  const auto floats = [](const std::array<int, 2>& size, int channels) {
    return static_cast<std::size_t>(size[0]) * size[1] * channels;
  };
  const std::size_t in_size = floats(c.in, c.in_channels);
  const std::size_t out_size = floats(c.out, c.out_channels);
  const auto images = static_cast<std::size_t>(c.images);
  const std::size_t weight_count = floats(c.kernel, c.in_channels / c.groups) * c.out_channels;
  const std::vector<float> x = hashed(images * in_size, 1);
  const std::vector<float> w = hashed(weight_count, 1000000);
  const std::vector<float> dy = hashed(images * out_size, 2000000);
  std::vector<std::byte> scratch(conv->scratch_bytes() + 64);
  void* place = scratch.data();
  std::size_t space = scratch.size();
  auto* aligned = static_cast<std::byte*>(std::align(64, conv->scratch_bytes(), place, space));

  std::vector<float> y(images * out_size, NAN);
  conv->forward(x.data(), w.data(), y.data(), aligned);
  const std::vector<double> expected = expected_output(graph, c, x, w);
  ASSERT_EQ(y.size(), expected.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    ASSERT_NEAR(y[i], expected[i], 1e-4) << "image " << i / out_size;
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

void check(const Make& make, const Case& c) {
  SCOPED_TRACE(testing::Message() << "kernel " << c.kernel << " stride " << c.stride << " channels "
                                  << c.in_channels << " " << c.out_channels << " size " << c.height
                                  << " x " << c.width);
  const ConvGeometry geometry = geometry_of(c);
  check(*make(geometry), as_window_conv(geometry), graph_of(c));
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
  const auto conv = make_pointwise_conv(geometry_of({1, 1, 6, 4, 2, 3, 3}));
  ASSERT_TRUE(conv->can_add());
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
  for (const Case& c :
       {Case{3, 1, 16, 32, 4, 1, 1}, Case{3, 1, 5, 7, 2, 4, 4}, Case{3, 1, 3, 4, 2, 9, 6},
        Case{3, 1, 40, 33, 2, 7, 14}, Case{5, 1, 16, 32, 4, 1, 1}, Case{5, 1, 40, 33, 2, 7, 14}}) {
    check(make_winograd_conv, c);
  }
}

// More images than are taken at once, with a rest.
TEST(TrainingConvTest, WinogradTakesImagesInTurns) {
  check(make_winograd_conv, {3, 1, 64, 48, 7, 56, 56});
}

TEST(TrainingConvTest, OneDnn) {
  const auto make = [](const ConvGeometry& geometry) {
    return make_onednn_conv(as_window_conv(geometry));
  };
  for (const Case& c : kSpatial) check(make, c);
  for (const Case& c : {Case{7, 2, 3, 64, 2, 32, 31}, Case{3, 2, 64, 64, 2, 9, 8}}) check(make, c);
}

TEST(TrainingConvTest, OfOtherWindows) {
  using Kernel = std::array<int, 2>;
  struct Other {
    Kernel kernel;
    Kernel strides;
    AutoPad padding;
    int groups;
    int in_channels;
    int out_channels;
    Kernel in;
  };
  for (const Other& c : {Other{{1, 7}, {1, 1}, AutoPad::kSameUpper, 1, 5, 6, {4, 9}},
                         Other{{7, 1}, {1, 1}, AutoPad::kSameUpper, 1, 8, 16, {9, 4}},
                         Other{{3, 3}, {2, 2}, AutoPad::kSameUpper, 1, 3, 8, {8, 6}},
                         Other{{3, 3}, {2, 2}, AutoPad::kValid, 1, 3, 4, {8, 7}},
                         Other{{11, 11}, {4, 4}, AutoPad::kValid, 1, 3, 5, {19, 23}},
                         Other{{4, 6}, {1, 1}, AutoPad::kValid, 1, 3, 5, {4, 6}},
                         Other{{3, 3}, {1, 1}, AutoPad::kSameUpper, 13, 13, 13, {5, 6}},
                         Other{{3, 3}, {2, 2}, AutoPad::kSameUpper, 16, 16, 16, {8, 7}},
                         Other{{3, 5}, {2, 1}, AutoPad::kValid, 3, 3, 3, {8, 7}},
                         Other{{3, 3}, {2, 2}, AutoPad::kSameUpper, 2, 2, 2, {1, 1}},
                         Other{{1, 1}, {3, 3}, AutoPad::kSameUpper, 4, 4, 4, {7, 7}},
                         Other{{7, 7}, {2, 2}, AutoPad::kSameUpper, 3, 3, 24, {10, 11}},
                         Other{{3, 3}, {1, 1}, AutoPad::kSameUpper, 2, 4, 6, {4, 5}}}) {
    SCOPED_TRACE(testing::Message()
                 << "kernel " << c.kernel[0] << " x " << c.kernel[1] << " stride " << c.strides[0]
                 << " groups " << c.groups << " size " << c.in[0] << " x " << c.in[1]);
    constexpr int kImages = 3;
    const Window window = {
        {c.kernel[0], c.kernel[1]}, {c.strides[0], c.strides[1]}, {1, 1}, {0, 0, 0, 0}, c.padding};
    WindowConv geometry = window_conv(window, kImages, c.in);
    geometry.groups = c.groups;
    geometry.in_channels = c.in_channels;
    geometry.out_channels = c.out_channels;
    GraphBuilder builder("single");
    const ValueId x = builder.input("images", {kImages, c.in_channels, c.in[0], c.in[1]});
    const ValueId weights =
        builder.weight({"conv/weights",
                        {c.kernel[0], c.kernel[1], c.in_channels / c.groups, c.out_channels},
                        WeightLayout::kHwio});
    const Graph graph =
        builder.finish({builder.add("conv", op::Conv{window, c.groups}, {x, weights})});
    check(*make_training_conv(geometry), geometry, graph);
  }
}

// y, dx and dw, one after the other, by the kind that is made for `threads` threads.
std::vector<float> passes_on(int threads, const WindowConv& c) {
  const OneDnnThreads limit(threads);
  const auto conv = make_training_conv(c);
  const auto images = static_cast<std::size_t>(c.images);
  const std::size_t x_size = images * c.in_channels * c.in[0] * c.in[1];
  const std::size_t y_size = images * c.out_channels * c.out[0] * c.out[1];
  const std::size_t w_size = static_cast<std::size_t>(c.in_channels / c.groups) * c.out_channels *
                             c.kernel[0] * c.kernel[1];
  const std::vector<float> x = hashed(x_size, 1);
  const std::vector<float> w = hashed(w_size, 1000000);
  const std::vector<float> dy = hashed(y_size, 2000000);
  std::vector<std::byte> scratch(conv->scratch_bytes() + 64);
  void* place = scratch.data();
  std::size_t space = scratch.size();
  auto* aligned = static_cast<std::byte*>(std::align(64, conv->scratch_bytes(), place, space));
  std::vector<float> all(y_size + x_size + w_size);
  conv->forward(x.data(), w.data(), all.data(), aligned);
  conv->backward_data(dy.data(), w.data(), all.data() + y_size, false, aligned);
  conv->backward_weights(x.data(), dy.data(), all.data() + y_size + x_size, aligned);
  return all;
}

TEST(TrainingConvTest, NoBitDependsOnTheThreads) {
  std::vector<WindowConv> convs;
  for (const Case& c :
       {Case{1, 1, 64, 256, 5, 28, 28}, Case{1, 1, 256, 64, 4, 28, 28},
        Case{1, 1, 512, 1024, 9, 7, 7}, Case{1, 1, 3000, 40, 7, 1, 1}, Case{7, 2, 3, 64, 5, 60, 64},
        Case{3, 2, 64, 64, 7, 28, 28}, Case{3, 1, 16, 24, 5, 20, 20}, Case{3, 1, 64, 64, 3, 28, 28},
        Case{5, 1, 64, 64, 5, 16, 16}, Case{3, 1, 256, 256, 32, 2, 2},
        Case{3, 1, 256, 320, 19, 1, 1}}) {
    convs.push_back(as_window_conv(geometry_of(c)));
  }
  WindowConv depthwise = as_window_conv(geometry_of({3, 1, 48, 48, 7, 14, 14}));
  depthwise.groups = 48;
  convs.push_back(depthwise);
  WindowConv grouped = as_window_conv(geometry_of({5, 1, 32, 64, 7, 14, 14}));
  grouped.groups = 2;
  convs.push_back(grouped);
  for (const WindowConv& c : convs) {
    SCOPED_TRACE(testing::Message() << "kernel " << c.kernel[0] << " stride " << c.strides[0]
                                    << " channels " << c.in_channels << " " << c.out_channels
                                    << " size " << c.in[0] << " groups " << c.groups);
    const std::vector<float> alone = passes_on(1, c);
    for (const int threads : {2, 3, 7}) {
      const std::vector<float> found = passes_on(threads, c);
      std::size_t differ = 0;
      for (std::size_t i = 0; i < found.size(); ++i) differ += found[i] == alone[i] ? 0 : 1;
      EXPECT_EQ(differ, 0U) << threads << " threads";
    }
  }
}

TEST(TrainingConvTest, TapPairsAreCounted) {
  EXPECT_EQ(tap_pair_count(geometry_of({3, 1, 1, 1, 9, 1, 1})), 1);
  EXPECT_EQ(tap_pair_count(geometry_of({3, 1, 1, 1, 9, 2, 2})), 16);
  EXPECT_EQ(tap_pair_count(geometry_of({3, 1, 1, 1, 9, 4, 4})), 100);
  EXPECT_EQ(tap_pair_count(geometry_of({3, 2, 1, 1, 9, 2, 2})), 4);
  EXPECT_EQ(tap_pair_count(geometry_of({3, 2, 1, 1, 9, 4, 4})), 25);
}

}  // namespace
}  // namespace narrow
