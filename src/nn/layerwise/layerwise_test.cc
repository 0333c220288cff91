#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "base/parallel.h"
#include "graph/testing/hashed_values.h"
#include "graph/testing/single_layer.h"
#include "narrow/error.h"
#include "nn/conv_geometry.h"
#include "nn/layerwise/activations.h"
#include "nn/layerwise/input_gram.h"
#include "nn/layerwise/patch_moments.h"
#include "nn/layerwise/product_differences.h"
#include "nn/testing/batched_images.h"

namespace narrow {
namespace {

Activations hashed_activations(std::int64_t images, int height, int width, int channels) {
  Activations x = Activations::zeros(images, height, width, channels);
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    x.values[i] = static_cast<float>(hashed_uniform(static_cast<std::uint32_t>(i)) - 0.3);
  }
  return x;
}

std::vector<float> hashed_kernel(const Layer& layer) {
  std::vector<float> weights(element_count(layer.weights_shape));
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] =
        static_cast<float>(hashed_uniform(0x1000000U + static_cast<std::uint32_t>(i)) - 0.5);
  }
  return weights;
}

// Input channel i under tap (row, column) of the output pixel (y, z).
double input_at(const ConvGeometry& geometry, const Activations& x, std::int64_t image, int y,
                int z, int row, int column, int i) {
  const int before = (geometry.kernel - 1) / 2;
  const int r = y * geometry.stride + row - before;
  const int c = z * geometry.stride + column - before;
  if (r < 0 || r >= x.height || c < 0 || c >= x.width) return 0;
  return x.values[static_cast<std::size_t>(image) * x.floats_per_image() +
                  (static_cast<std::size_t>(r) * x.width + c) * x.channels + i];
}

// Calls body(patch) for every output pixel.
template <typename Body>
void for_each_patch(const Layer& layer, const Activations& x, const Body& body) {
  const ConvGeometry geometry = conv_geometry(layer, static_cast<int>(x.images), x.height, x.width);
  for (std::int64_t image = 0; image < x.images; ++image) {
    for (int y = 0; y < geometry.out_height; ++y) {
      for (int z = 0; z < geometry.out_width; ++z) {
        std::vector<double> patch;
        for (int row = 0; row < geometry.kernel; ++row) {
          for (int column = 0; column < geometry.kernel; ++column) {
            for (int i = 0; i < x.channels; ++i) {
              patch.push_back(input_at(geometry, x, image, y, z, row, column, i));
            }
          }
        }
        body(patch);
      }
    }
  }
}

std::vector<Layer> test_layers() {
  return {single_layer("one", 1, 5, 7, 1), single_layer("three", 3, 16, 24, 1),
          single_layer("strided", 3, 6, 4, 2), single_layer("root", 7, 3, 8, 2),
          single_layer("wide", 1, 64, 32, 1)};
}

TEST(Layerwise, ConvolutionIsTheSumOverPatches) {
  for (const Layer& layer : test_layers()) {
    const Activations x = hashed_activations(5, 9, 8, layer.in_channels);
    const auto weights = hashed_kernel(layer);
    const Activations y = convolve(layer, weights, x);
    ASSERT_EQ(y.height, (9 + layer.conv.window.strides[0] - 1) / layer.conv.window.strides[0]);
    ASSERT_EQ(y.width, (8 + layer.conv.window.strides[0] - 1) / layer.conv.window.strides[0]);
    std::size_t at = 0;
    for_each_patch(layer, x, [&](const std::vector<double>& patch) {
      const auto channels = static_cast<std::size_t>(layer.out_channels);
      for (std::size_t c = 0; c < channels; ++c, ++at) {
        double sum = 0;
        for (std::size_t k = 0; k < patch.size(); ++k) sum += patch[k] * weights[k * channels + c];
        ASSERT_NEAR(y.values[at], sum, 1e-4) << layer.name;
      }
    });
    EXPECT_EQ(at, y.values.size());
  }
}

TEST(Layerwise, GramIsTheMeanOfProducts) {
  for (const Layer& layer : test_layers()) {
    const Activations x = hashed_activations(11, 10, 12, layer.in_channels);
    const InputGram gram = input_gram(layer, *in_memory(x));
    std::vector<double> mean(gram.size);
    std::vector<double> second(gram.size * gram.size);
    for_each_patch(layer, x, [&](const std::vector<double>& patch) {
      ASSERT_EQ(patch.size(), gram.size);
      for (std::size_t a = 0; a < patch.size(); ++a) {
        mean[a] += patch[a] / gram.patches;
        for (std::size_t b = 0; b < patch.size(); ++b) {
          second[a * gram.size + b] += patch[a] * patch[b] / gram.patches;
        }
      }
    });
    for (std::size_t i = 0; i < mean.size(); ++i) ASSERT_NEAR(gram.mean[i], mean[i], 1e-6);
    for (std::size_t i = 0; i < second.size(); ++i) ASSERT_NEAR(gram.second[i], second[i], 1e-5);
  }
}

TEST(Layerwise, GramsOfPartsAreThatOfAll) {
  const Layer layer = test_layers()[1];
  const Activations x = hashed_activations(11, 10, 12, layer.in_channels);
  // Parts begin and end between batches and in them.
  ActivationBatches batches(std::make_shared<ActivationMemory>());
  for (std::int64_t first = 0; first < x.images; first += 2) {
    const std::int64_t images = std::min<std::int64_t>(2, x.images - first);
    const auto floats = static_cast<std::ptrdiff_t>(x.floats_per_image());
    const auto begin = x.values.begin() + first * floats;
    batches.add({images, x.height, x.width, x.channels, {begin, begin + images * floats}});
  }
  const InputGram expected = input_gram(layer, *in_memory(x));
  InputGramSums all(layer);
  for (const std::int64_t first : {0, 3, 9}) {
    InputGramSums part(layer);
    part.add(batches, first, first == 3 ? 6 : first == 0 ? 3 : 2);
    ByteRecord record;
    part.put(record);
    InputGramSums passed_on(layer);
    ByteRecordReader reader(record.bytes(), "a gram");
    passed_on.set(reader);
    EXPECT_TRUE(reader.is_empty());
    all.merge(passed_on);
  }
  const InputGram found = all.take();
  EXPECT_EQ(found.patches, expected.patches);
  for (std::size_t i = 0; i < found.size; ++i) {
    ASSERT_NEAR(found.mean[i], expected.mean[i], 1e-12);
  }
  for (std::size_t i = 0; i < found.second.size(); ++i) {
    ASSERT_NEAR(found.second[i], expected.second[i], 1e-7);
  }
}

TEST(Layerwise, ThreadsDoNotMatter) {
  const Layer layer = test_layers()[1];
  const Activations x = hashed_activations(70, 8, 8, layer.in_channels);
  const auto weights = hashed_kernel(layer);
  const auto run = [&](int threads) {
    const ThreadLimit limit(threads);
    return std::pair(convolve(layer, weights, x).values, input_gram(layer, *in_memory(x)).second);
  };
  const auto expected = run(1);
  EXPECT_EQ(run(2), expected);
  EXPECT_EQ(run(7), expected);
}

TEST(Layerwise, PoolingKeepsTheLargest) {
  const Activations x = hashed_activations(3, 7, 6, 5);
  const Activations y = max_pool(x, pool_geometry("pool", {same_window(3, 2)}, 7, 6));
  ASSERT_EQ(y.height, 4);
  ASSERT_EQ(y.width, 3);
  // 7 rows: one row of padding on both sides; 6 columns: one after the last.
  float largest = -1;
  for (int row = 0; row < 2; ++row) {
    for (int column = 0; column < 3; ++column) {
      largest = std::max(largest, x.values[static_cast<std::size_t>((row * 6 + column) * 5 + 2)]);
    }
  }
  EXPECT_EQ(y.values[2], largest);
  const Activations every_second = max_pool(x, pool_geometry("pool", {same_window(1, 2)}, 7, 6));
  EXPECT_EQ(every_second.values[5], x.values[10]);
}

TEST(Layerwise, MeanShiftAndSum) {
  Activations x = Activations::zeros(1, 1, 2, 2);
  x.values = {1, 2, 3, -6};
  EXPECT_EQ(global_mean(x).values, (std::vector<float>{2, -2}));
  Activations y = x;
  scale_and_shift(std::vector<double>{2, 1}, std::vector<double>{-3, 1}, true, y);
  EXPECT_EQ(y.values, (std::vector<float>{0, 3, 3, 0}));
  add_to(x, true, y);
  EXPECT_EQ(y.values, (std::vector<float>{1, 5, 6, 0}));
}

// Inputs of any layout of a graph: float32 arrays.
GraphArray hashed_array(Shape shape, std::uint32_t seed) {
  std::vector<float> values(element_count(shape));
  for (float& value : values) value = static_cast<float>(hashed_uniform(seed++) - 0.3);
  const auto bytes = std::as_bytes(std::span(values));
  return {DType::kFloat32, std::move(shape), {bytes.begin(), bytes.end()}};
}

float float_at(const GraphArray& array, std::size_t index) {
  float value = 0;
  std::memcpy(&value, array.bytes.data() + index * sizeof(float), sizeof(float));
  return value;
}

// Two groups of two inputs and one output, strides, dilation and padding that differ by axis.
TEST(PatchMoments, AreThoseOfThePatches) {
  LinearLayer layer;
  layer.out_channels = 2;
  layer.groups = 2;
  layer.columns = 2 * 6;
  layer.window = {{2, 3}, {2, 1}, {1, 2}, {1, 0, 0, 2}};
  const std::int64_t height = 5;
  const std::int64_t width = 6;
  const std::int64_t out_height = 3;  // (5 + 1 - 2) / 2 + 1
  const std::int64_t out_width = 4;   // 6 + 2 - 5 + 1
  PatchMomentSums sums(layer);
  std::vector<GraphArray> x;
  std::vector<GraphArray> t;
  for (const std::uint32_t batch : {0, 1}) {
    x.push_back(hashed_array({3, 4, height, width}, 1000 * batch));
    t.push_back(hashed_array({3, 2, out_height, out_width}, 7000 + 1000 * batch));
    sums.add(x.back(), t.back());
  }
  const std::vector<PatchMoments> found = sums.take();
  ASSERT_EQ(found.size(), 2U);
  const auto element = [&](const GraphArray& from, std::int64_t image, std::int64_t group,
                           std::int64_t column, std::int64_t y, std::int64_t z) -> double {
    const std::int64_t channel = group * 2 + column / 6;
    const std::int64_t row = y * 2 - 1 + column % 6 / 3;
    const std::int64_t place = z + column % 3 * 2;
    if (row < 0 || row >= height || place >= width) return 0;
    return float_at(
        from, static_cast<std::size_t>(((image * 4 + channel) * height + row) * width + place));
  };
  for (std::int64_t group = 0; group < 2; ++group) {
    const PatchMoments& moments = found[static_cast<std::size_t>(group)];
    EXPECT_EQ(moments.patches, 2 * 3 * out_height * out_width);
    for (const std::int64_t a : {0, 4, 11}) {
      for (const std::int64_t b : {0, 7, 11}) {
        double second = 0;
        double cross = 0;
        double mean = 0;
        for (std::size_t batch = 0; batch < 2; ++batch) {
          for (std::int64_t i = 0; i < 3 * out_height * out_width; ++i) {
            const std::int64_t image = i / (out_height * out_width);
            const std::int64_t pixel = i % (out_height * out_width);
            const auto at = [&](std::int64_t column) {
              return element(x[batch], image, group, column, pixel / out_width, pixel % out_width);
            };
            const double product = float_at(
                t[batch],
                static_cast<std::size_t>((image * 2 + group) * out_height * out_width + pixel));
            second += at(a) * at(b) / moments.patches;
            cross += at(a) * product / moments.patches;
            mean += at(a) / moments.patches;
          }
        }
        const auto index = static_cast<std::size_t>(a);
        EXPECT_NEAR(moments.second[index * 12 + static_cast<std::size_t>(b)], second, 1e-6);
        EXPECT_NEAR(moments.cross[index], cross, 1e-6);
        EXPECT_NEAR(moments.mean[index], mean, 1e-6);
      }
    }
  }
}

// Of 40 rows of 20 patches 12 fit into 256, at 16 places.
TEST(PatchMoments, OfLargeImagesRowsAreSpread) {
  LinearLayer layer;
  layer.out_channels = 1;
  layer.columns = 1;
  layer.window = {{1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}};
  GraphArray rows = hashed_array({16, 1, 40, 20}, 0);
  auto* const values = reinterpret_cast<float*>(rows.bytes.data());
  for (std::size_t i = 0; i < 16 * 800; ++i) values[i] = static_cast<float>(i / 20 % 40);
  PatchMomentSums sums(layer);
  sums.add(rows, rows);
  const PatchMoments found = sums.take().front();
  EXPECT_EQ(found.patches, 16 * 240);
  EXPECT_NEAR(found.mean[0], 19.5, 0.2);
  EXPECT_NEAR(found.second[0], 39.0 * 79 / 6, 8);
  EXPECT_EQ(found.mean[0], found.product_mean[0]);
  EXPECT_EQ(found.second[0], found.cross[0]);
}

TEST(ProductDifferences, AreThoseOfTheChannels) {
  LinearLayer convolution;
  convolution.out_channels = 3;
  convolution.window = {{1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}};
  LinearLayer product;
  product.out_channels = 3;
  // The same values as [images, channels, pixels] and as [images * pixels, channels].
  ProductDifferenceSums planes(convolution);
  ProductDifferenceSums rows(product);
  std::vector<double> shift(3, 0);
  std::vector<double> power(3, 0);
  for (const std::uint32_t batch : {0, 1}) {
    const GraphArray z = hashed_array({2, 3, 5, 7}, 500 * batch);
    const GraphArray t = hashed_array({2, 3, 5, 7}, 9000 + 500 * batch);
    GraphArray z_rows = hashed_array({70, 3}, 0);
    GraphArray t_rows = hashed_array({70, 3}, 0);
    for (std::size_t i = 0; i < 210; ++i) {
      const std::size_t c = i / 35 % 3;
      const std::size_t place = (i / 105 * 35 + i % 35) * 3 + c;
      const double d = static_cast<double>(float_at(z, i)) - float_at(t, i);
      shift[c] += d / 140;
      power[c] += d * d / 140;
      std::memcpy(z_rows.bytes.data() + place * 4, z.bytes.data() + i * 4, 4);
      std::memcpy(t_rows.bytes.data() + place * 4, t.bytes.data() + i * 4, 4);
    }
    planes.add(z, t);
    rows.add(z_rows, t_rows);
    EXPECT_THROW(planes.add(z, t_rows), Error);
  }
  const ProductDifferences found = planes.take();
  const ProductDifferences same = rows.take();
  EXPECT_EQ(found.values, 140);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(found.mean[c], shift[c], 1e-12);
    EXPECT_NEAR(found.second[c], power[c], 1e-12);
    EXPECT_NEAR(same.second[c], power[c], 1e-12);
    EXPECT_NEAR(same.wanted_mean[c], found.wanted_mean[c], 1e-12);
    EXPECT_NEAR(same.wanted_second[c], found.wanted_second[c], 1e-12);
  }
}

TEST(PatchMoments, OfOtherShapesAreRefused) {
  LinearLayer layer;
  layer.out_channels = 2;
  layer.columns = 3;
  PatchMomentSums sums(layer);
  EXPECT_NO_THROW(sums.add(hashed_array({5, 3}, 0), hashed_array({5, 2}, 0)));
  EXPECT_THROW(sums.add(hashed_array({5, 3}, 0), hashed_array({5, 3}, 0)), Error);
}

}  // namespace
}  // namespace narrow
