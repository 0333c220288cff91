#include <gtest/gtest.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/linear_layers.h"
#include "graph/slim/slim_networks.h"
#include "narrow/calibrate_network.h"
#include "narrow/export_network.h"
#include "narrow/quantize_network.h"
#include "tasks/testing/quantize_test.h"

namespace narrow {
namespace {

constexpr int kSlimSize = 32;

// A checkpoint of TF-Slim's variables and the ONNX file that is made of it.
class QuantizeSlim : public QuantizeTest {
 protected:
  QuantizeSlim() : QuantizeTest(kSlimSize) {
    export_network(variables_, {.image_size = kSlimSize}, directory() / "slim.onnx",
                   Overwrite::kNo);
    reader_ = open_checkpoint(directory() / "slim.onnx");
  }

  // Of `variables_`, its kernels in the order of ONNX.
  std::map<std::string, std::vector<float>> quantized_variables(const QuantizePlan& plan,
                                                                const NetworkMethods& methods) {
    MemoryWriter writer;
    NullWriter scales;
    quantize_network(variables_, plan, methods, {}, writer, scales);
    std::map<std::string, std::vector<float>> found;
    const MemoryReader result(writer.tensors);
    for (const LinearLayer& layer : linear_layers(slim_)) {
      std::vector<float> stored(element_count(layer.weights_shape));
      result.read(*result.find(layer.weights), std::as_writable_bytes(std::span(stored)));
      std::vector<float>& rows = found[layer.weights];
      for (std::size_t c = 0; c < layer.out_channels; ++c) {
        for (std::size_t i = 0; i < layer.columns; ++i) rows.push_back(stored[layer.index(c, i)]);
      }
    }
    return found;
  }

  void expect_the_codes_of_the_onnx_file(const Scheme& scheme, const NetworkMethods& methods) {
    const Selection kernels{.include = {"*weights"}};
    const auto found = quantized_variables(make_plan(variables_, scheme, kernels), methods);
    ASSERT_EQ(found.size(), 28U);
    quantize(make_plan(*reader_, scheme, kernels), methods);
    for (const auto& [name, rows] : found) EXPECT_EQ(values("out.onnx", name), rows) << name;
  }

  Graph slim_ = slim_network("mobilenet_v1_025", 10, false).graph;
  MemoryReader variables_{small_tensors(slim_, 3)};
};

TEST_F(QuantizeSlim, WithoutImagesAsTheOnnxFile) {
  NetworkMethods chosen;
  chosen.image_size = kSlimSize;
  chosen.rounding = Rounding::kFlips;
  chosen.bias_correct = true;
  expect_the_codes_of_the_onnx_file(scheme(4), chosen);
  chosen.absorb_channel_scales = true;
  expect_the_codes_of_the_onnx_file(scheme(4, Granularity::Kind::kTensor), chosen);
}

TEST_F(QuantizeSlim, WithImagesErrorsOfOneLayerAreMadeUpForByTheNext) {
  NetworkMethods nearest = methods(Rounding::kNearest, false);
  NetworkMethods rounded = methods(Rounding::kGptq, true);
  nearest.images->count = rounded.images->count = 20;
  MemoryWriter trained;  // so that no layer overflows
  calibrate_network(variables_, *rounded.images, trained);
  const MemoryReader variables(trained.tensors);
  const auto error = [&](const NetworkMethods& chosen) {
    MemoryWriter writer;
    NullWriter scales;
    const QuantizePlan plan = make_plan(variables, scheme(3), {.include = {"*weights"}});
    const NetworkResult result = quantize_network(variables, plan, chosen, {}, writer, scales);
    EXPECT_EQ(result.layers.size(), 28U);
    EXPECT_EQ(result.images, 20U);
    return result.mean_output_error();
  };
  EXPECT_LT(error(rounded), 0.7 * error(nearest));
}

TEST_F(QuantizeSlim, CalibrationFindsTheStatisticsOfEveryBatchNorm) {
  images_.count = 20;
  MemoryWriter once;
  const CalibrationResult first = calibrate_network(variables_, images_, once);
  ASSERT_EQ(first.layers.size(), 27U);
  EXPECT_EQ(first.layers[1].layer, "MobilenetV1/Conv2d_1_depthwise/BatchNorm");
  EXPECT_GT(first.mean_shift(), 0.1);
  MemoryWriter twice;
  const CalibrationResult second = calibrate_network(MemoryReader(once.tensors), images_, twice);
  for (const LayerCalibration& layer : second.layers) {
    EXPECT_LT(layer.mean_shift, 1e-4) << layer.layer;
    EXPECT_LT(layer.spread_shift, 1e-4) << layer.layer;
  }
}

}  // namespace
}  // namespace narrow
