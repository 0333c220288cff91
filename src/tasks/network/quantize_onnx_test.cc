#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/testing/expected_error.h"
#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "graph/linear_layers.h"
#include "graph/slim/slim_networks.h"
#include "graph/tap_coverage.h"
#include "graph/testing/small_resnet.h"
#include "methods/moments/rectified_normal.h"
#include "model/onnx/testing/onnx_of_graph.h"
#include "narrow/evaluate.h"
#include "narrow/export_network.h"
#include "narrow/plan.h"
#include "narrow/quantize_network.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {
namespace {

constexpr int kSize = 12;
constexpr int kDepth = 8;

// What a Clip of the network lets through.
constexpr double kLimit = 1;

// A convolution and a depthwise one with batch norms, and a convolution with biases; ReLU or Clip
// between them.
Graph mobile_network(bool is_clipped = false) {
  GraphBuilder builder("mobile");
  const ValueId images = builder.input("images", {Dimension::free("N"), 3, kSize, kSize});
  ValueId x = builder.conv("first", images, 3, kDepth, square_window(3, 2, 1));
  const auto rectified = [&](const std::string& name, ValueId value) {
    if (!is_clipped) return builder.add(name, op::Relu{}, {value});
    const auto bound = [&](const std::string& suffix, double number) {
      return builder.constant(name + suffix, make_scalar(DType::kFloat32, number));
    };
    return builder.add(name, op::Clip{}, {value, bound(":0", 0), bound(":1", kLimit)});
  };
  x = rectified("relu1", builder.batch_norm("first_norm", x, kDepth, {.epsilon = 1e-3}));
  const ValueId kernel = builder.weight({"depthwise/weights", {kDepth, 1, 3, 3}});
  x = builder.add("depthwise", op::Conv{square_window(3, 1, 1), kDepth}, {x, kernel});
  x = builder.batch_norm("depthwise_norm", x, kDepth, {.epsilon = 1e-3});
  x = rectified("relu2", x);
  x = builder.conv_with_bias("last", x, kDepth, 10, square_window(1, 1));
  x = builder.add("mean", op::GlobalAveragePool{}, {x});
  return builder.finish({builder.add("logits", op::Flatten{}, {x})});
}

class QuantizeOnnx : public TemporaryDirectoryTest {
 protected:
  QuantizeOnnx() {
    write_noise_dataset(directory(), 60);
    images_.source.dataset_name = "cifar10";
    images_.source.dataset_dir = directory();
    images_.source.dataset_split_name = "test";
    images_.source.image_size = images_.source.resize_side = kSize;
    images_.source.preprocessing_name = "vgg";
    images_.count = 40;
    const Graph graph = mobile_network();
    put_model(directory() / "float.onnx", onnx_of_graph(graph, small_weights(graph, 3)));
    reader_ = open_checkpoint(directory() / "float.onnx");
  }

  static Scheme scheme(int bits, Granularity::Kind granularity = Granularity::Kind::kChannel) {
    Scheme scheme;
    scheme.kind = SchemeKind::kSymmetric;
    scheme.bits = bits;
    scheme.granularity.kind = granularity;
    scheme.range.kind = Range::Kind::kMse;
    return scheme;
  }
  [[nodiscard]] NetworkMethods methods(Rounding rounding, bool bias_correct) const {
    NetworkMethods methods;
    methods.image_size = kSize;
    methods.rounding = rounding;
    methods.bias_correct = bias_correct;
    methods.images = images_;
    return methods;
  }
  NetworkResult quantize(const Scheme& scheme, const NetworkMethods& methods,
                         const std::string& name = "out.onnx", int threads = 0) {
    const auto writer = create_checkpoint_like(
        *reader_, {CheckpointFormat::kOnnx, directory() / name}, Overwrite::kYes);
    NullWriter scales;
    NetworkResult result = quantize_network(*reader_, make_plan(*reader_, scheme, {}), methods, {},
                                            *writer, scales, {.threads = threads});
    writer->finish();
    return result;
  }
  std::vector<float> values(const std::string& file, const std::string& name) {
    const auto reader = open_checkpoint(directory() / file);
    const std::size_t index = *reader->find(name);
    std::vector<float> found(element_count(reader->tensors()[index].shape));
    reader->read(index, std::as_writable_bytes(std::span(found)));
    return found;
  }
  // Losses on each image.
  std::vector<double> losses(const std::string& file) {
    EvaluateOptions options;
    options.images = images_.source;
    const auto reader =
        std::shared_ptr<const CheckpointReader>(open_checkpoint(directory() / file));
    const std::vector<std::shared_ptr<const CheckpointReader>> readers = {reader};
    const EvaluateResult result = evaluate_checkpoints(readers, options);
    std::vector<double> found;
    for (const Prediction& one : result.evaluations[0].predictions) {
      found.push_back(one.cross_entropy);
    }
    return found;
  }

  CalibrationImages images_;
  std::unique_ptr<CheckpointReader> reader_;
};

TEST_F(QuantizeOnnx, LinearLayersAreSeenAsMatrices) {
  const std::vector<LinearLayer> found = linear_layers(mobile_network());
  ASSERT_EQ(found.size(), 3U);
  const LinearLayer& first = found[0];  // [3, 3, 3, kDepth]
  EXPECT_FALSE(first.rows_first);
  EXPECT_EQ(first.columns, 27U);
  // Channel 5, input 2, the tap of the second row and third column.
  const std::size_t column = 2 * 9 + 1 * 3 + 2;
  EXPECT_EQ(first.index(5, column), ((1 * 3 + 2) * 3 + 2) * std::size_t{kDepth} + 5);
  EXPECT_EQ(first.channel_at(first.index(5, column)), 5U);
  EXPECT_EQ(first.column_at(first.index(5, column)), column);
  EXPECT_EQ(found[1].name, "depthwise");
  EXPECT_EQ(found[1].groups, static_cast<std::size_t>(kDepth));
  EXPECT_EQ(found[1].columns, 9U);
  EXPECT_EQ(found[1].in_channels(), static_cast<std::size_t>(kDepth));
  EXPECT_TRUE(found[1].norm);
}

TEST_F(QuantizeOnnx, FewBitsCostLessWithMethods) {
  const NetworkResult nearest = quantize(scheme(3), methods(Rounding::kNearest, false), "n.onnx");
  const NetworkResult rounded = quantize(scheme(3), methods(Rounding::kGptq, true), "g.onnx");
  ASSERT_EQ(rounded.layers.size(), 3U);
  EXPECT_EQ(rounded.images, 40U);
  EXPECT_EQ(rounded.quantization.summary.quantized, 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_LT(rounded.layers[i].output_error, nearest.layers[i].output_error);
  }
  const std::vector<double> exact = losses("float.onnx");
  const auto distance = [&](const std::string& file) {
    const std::vector<double> found = losses(file);
    double sum = 0;
    for (std::size_t i = 0; i < found.size(); ++i) sum += std::fabs(found[i] - exact[i]);
    return sum;
  };
  EXPECT_LT(distance("g.onnx"), 0.7 * distance("n.onnx"));
  // Only what corrects changed beside the weights.
  EXPECT_EQ(values("g.onnx", "first_norm/gamma"), values("float.onnx", "first_norm/gamma"));
  EXPECT_NE(values("g.onnx", "first_norm/moving_mean"),
            values("float.onnx", "first_norm/moving_mean"));
  EXPECT_NE(values("g.onnx", "last/biases"), values("float.onnx", "last/biases"));
}

TEST_F(QuantizeOnnx, ChannelsHaveNoMoreValuesThanCodes) {
  quantize(scheme(3), methods(Rounding::kGptq, true));
  const std::vector<float> kernel = values("out.onnx", "first/weights");
  for (std::size_t c = 0; c < kDepth; ++c) {
    const std::set<float> found(kernel.begin() + static_cast<std::ptrdiff_t>(c * 27),
                                kernel.begin() + static_cast<std::ptrdiff_t>((c + 1) * 27));
    EXPECT_LE(found.size(), 7U);
  }
}

TEST_F(QuantizeOnnx, FoldedAndAbsorbedNormsLeaveTheNetworkAsItIs) {
  const std::vector<double> exact = losses("float.onnx");
  NetworkMethods fold = methods(Rounding::kNearest, false);
  fold.fold = true;
  NetworkMethods absorb = methods(Rounding::kNearest, false);
  absorb.absorb_channel_scales = true;
  quantize(scheme(24), fold, "fold.onnx");
  quantize(scheme(24, Granularity::Kind::kTensor), absorb, "absorb.onnx");
  for (const std::string file : {"fold.onnx", "absorb.onnx"}) {
    const std::vector<double> found = losses(file);
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], exact[i], 1e-4) << file;
    EXPECT_NE(values(file, "depthwise/weights"), values("float.onnx", "depthwise/weights"));
  }
  EXPECT_EQ(values("fold.onnx", "first_norm/gamma"), std::vector<float>(kDepth, 1.0F));
  EXPECT_EQ(values("fold.onnx", "first_norm/moving_mean"), std::vector<float>(kDepth, 0.0F));
  // Corrections then go where they add nothing else to do.
  fold.rounding = Rounding::kGptq;
  fold.bias_correct = true;
  quantize(scheme(4), fold, "fold.onnx");
  EXPECT_EQ(values("fold.onnx", "first_norm/moving_mean"), std::vector<float>(kDepth, 0.0F));
}

// The greatest weight of each output channel over the greatest of all: the least of the parts.
double least_part(const std::vector<float>& kernel, std::size_t channels) {
  std::vector<float> largest(channels, 0);
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    float& found = largest[i / (kernel.size() / channels)];
    found = std::max(found, std::fabs(kernel[i]));
  }
  const auto [least, most] = std::ranges::minmax(largest);
  return static_cast<double>(least) / most;
}

TEST_F(QuantizeOnnx, EqualizedChannelsLeaveTheNetworkAsItIs) {
  for (const bool is_clipped : {false, true}) {
    const Graph graph = mobile_network(is_clipped);
    Weights weights = small_weights(graph, 3);
    const std::span<float> rows = weights.values("depthwise/weights");
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] *= static_cast<float>(1 + i / 9);
    put_model(directory() / "unequal.onnx", onnx_of_graph(graph, weights));
    reader_ = open_checkpoint(directory() / "unequal.onnx");
    const std::vector<double> exact = losses("unequal.onnx");
    // Without norms rows of depthwise kernels can be made equal as well.
    for (const bool fold : {false, true}) {
      NetworkMethods equalize = methods(Rounding::kNearest, false);
      equalize.equalize = true;
      equalize.fold = fold;
      const NetworkResult result =
          quantize(scheme(24, Granularity::Kind::kTensor), equalize, "equal.onnx");
      const std::vector<double> found = losses("equal.onnx");
      for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], exact[i], 1e-4);
      EXPECT_LT(result.original.mean_relative_l2, 1e-5);
      equalize.equalize = false;
      quantize(scheme(24, Granularity::Kind::kTensor), equalize, "plain.onnx");
      if (is_clipped) continue;
      EXPECT_GT(least_part(values("equal.onnx", "depthwise/weights"), kDepth),
                2 * least_part(values("plain.onnx", "depthwise/weights"), kDepth));
    }
  }
}

TEST_F(QuantizeOnnx, ExportsLevelChannelsThroughClip) {
  const Graph graph = mobile_network(true);
  Weights weights = small_weights(graph, 3);
  const std::span<float> rows = weights.values("depthwise/weights");
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] *= static_cast<float>(1 + i / 9);
  put_model(directory() / "unequal.onnx", onnx_of_graph(graph, weights));
  const std::vector<double> exact = losses("unequal.onnx");
  reader_ = open_checkpoint(directory() / "unequal.onnx");
  export_network(*reader_, {.equalize = true}, directory() / "level.onnx", Overwrite::kNo);
  const std::vector<double> found = losses("level.onnx");
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], exact[i], 1e-4);
  EXPECT_GT(least_part(values("level.onnx", "depthwise/weights"), kDepth),
            2 * least_part(values("unequal.onnx", "depthwise/weights"), kDepth));
  // What a channel was divided by, its limit is too.
  const std::vector<float> limits = values("level.onnx", "relu1/limits");
  const std::vector<float> before = values("unequal.onnx", "first_norm/gamma");
  const std::vector<float> after = values("level.onnx", "first_norm/gamma");
  ASSERT_EQ(limits.size(), static_cast<std::size_t>(kDepth));
  for (std::size_t c = 0; c < kDepth; ++c) {
    EXPECT_NEAR(limits[c], kLimit * after[c] / before[c], 1e-5 * limits[c]);
  }
  EXPECT_NE(limits.front(), limits.back());
}

TEST_F(QuantizeOnnx, WithoutImagesBiasesAreCorrectedByEstimatedMeans) {
  NetworkMethods without = methods(Rounding::kFlips, true);
  without.images.reset();
  const NetworkResult result = quantize(scheme(3), without);
  EXPECT_EQ(result.images, 0U);
  for (const LayerCost& layer : result.layers) EXPECT_GT(layer.output_error, 0) << layer.layer;
  const auto gamma = values("float.onnx", "first_norm/gamma");
  const auto beta = values("float.onnx", "first_norm/beta");
  const auto exact = values("float.onnx", "depthwise/weights");
  const auto quantized = values("out.onnx", "depthwise/weights");
  const auto mean_before = values("float.onnx", "depthwise_norm/moving_mean");
  const auto mean = values("out.onnx", "depthwise_norm/moving_mean");
  const std::vector<double> shares = TapCoverage(square_window(3, 1, 1), 6, 6).shares();
  for (std::size_t c = 0; c < kDepth; ++c) {
    const Moments input = rectified_normal(beta[c], static_cast<double>(gamma[c]) * gamma[c]);
    double shift = 0;
    for (std::size_t tap = 0; tap < 9; ++tap) {
      shift += (static_cast<double>(quantized[c * 9 + tap]) - exact[c * 9 + tap]) * shares[tap] *
               input.mean;
    }
    EXPECT_NEAR(mean[c] - mean_before[c], shift, 1e-6) << c;
  }
}

TEST_F(QuantizeOnnx, PlansMeasureWhatOneTensorDoesToTheOutputs) {
  AllocationRequest request;
  request.scheme = scheme(4);
  request.widths = {2, 4, 6, 12, 16};
  request.average_bits = 6;
  request.images = images_.source;
  request.measured_images = 12;
  EXPECT_EQ(best_damage(*reader_, request), DamageKind::kMeasured);
  request.damage = DamageKind::kMeasured;
  const BitAllocation plan = plan_budget(*reader_, request);
  ASSERT_EQ(plan.tensors.size(), 3U);
  EXPECT_LE(plan.bytes(), plan.budget_bytes);
  // A curve falls with the width, by orders of magnitude.
  std::vector<double> singles;
  for (const CurvePoint& point : plan.curve) {
    if (point.single_damage) singles.push_back(*point.single_damage);
    EXPECT_LE(point.lower_bound, point.damage * (1 + 1e-9));
  }
  ASSERT_EQ(singles.size(), 5U);
  EXPECT_GT(singles[0], 10 * singles[2]);
  EXPECT_GT(singles[2], 100 * singles[4]);
  request.bias_correct = true;
  const BitAllocation corrected = plan_budget(*reader_, request, {.threads = 3});
  EXPECT_LT(corrected.curve.front().damage, plan.curve.front().damage);
  EXPECT_EQ(plan_file_text(corrected), plan_file_text(plan_budget(*reader_, request)));
}

TEST_F(QuantizeOnnx, FoldedNormsSayNothingOfWhatLayersSee) {
  NetworkMethods fold;
  fold.image_size = kSize;
  fold.fold = true;
  quantize(scheme(24), fold, "folded.onnx");
  reader_ = open_checkpoint(directory() / "folded.onnx");
  EXPECT_EQ(best_damage(*reader_, {}), DamageKind::kWeight);
  NetworkMethods without = methods(Rounding::kNearest, true);
  without.images.reset();
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { quantize(scheme(4), without); }),
              testing::HasSubstr("no bias can be corrected without images: first (first_norm"));
}

TEST_F(QuantizeOnnx, WithoutImagesPlansEstimateDamageWhereBatchNormsAllowIt) {
  AllocationRequest request;
  request.scheme = scheme(4);
  request.scheme.range = {};
  request.widths = {2, 4, 6};
  request.average_bits = 5;
  EXPECT_EQ(best_damage(*reader_, request), DamageKind::kOutput);
  request.damage = DamageKind::kOutput;
  const BitAllocation plan = plan_budget(*reader_, request);
  const auto exact = values("float.onnx", "depthwise/weights");
  const auto gamma = values("float.onnx", "depthwise_norm/gamma");
  const auto variance = values("float.onnx", "depthwise_norm/moving_variance");
  const auto first_gamma = values("float.onnx", "first_norm/gamma");
  const auto first_beta = values("float.onnx", "first_norm/beta");
  for (const AllocatedTensor& tensor : plan.tensors) {
    if (tensor.info.name != "depthwise/weights") continue;
    quantize(tensor.scheme, {.image_size = kSize});
    const auto quantized = values("out.onnx", "depthwise/weights");
    const std::vector<double> shares = TapCoverage(square_window(3, 1, 1), 6, 6).shares();
    double noise = 0;
    double power = 0;
    for (std::size_t c = 0; c < kDepth; ++c) {
      power += static_cast<double>(gamma[c]) * gamma[c];
      const double gain = static_cast<double>(gamma[c]) * gamma[c] / (variance[c] + 1e-3);
      const double second =
          rectified_normal(first_beta[c], static_cast<double>(first_gamma[c]) * first_gamma[c])
              .second;
      for (std::size_t tap = 0; tap < 9; ++tap) {
        const double d = static_cast<double>(quantized[c * 9 + tap]) - exact[c * 9 + tap];
        noise += gain * d * d * shares[tap] * second;
      }
    }
    EXPECT_NEAR(tensor.damage, noise / power, 1e-6 * tensor.damage);
  }
}

TEST_F(QuantizeOnnx, ThreadsDoNotMatter) {
  quantize(scheme(4), methods(Rounding::kGptq, true), "one.onnx", 1);
  quantize(scheme(4), methods(Rounding::kGptq, true), "three.onnx", 3);
  for (const TensorInfo& info : reader_->tensors()) {
    if (info.dtype != DType::kFloat32) continue;
    EXPECT_EQ(values("one.onnx", info.name), values("three.onnx", info.name)) << info.name;
  }
}

TEST_F(QuantizeOnnx, WhatAGraphDoesNotTakeIsSaid) {
  const auto refuse = [&](const NetworkMethods& methods, const std::string& why) {
    EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { quantize(scheme(4), methods); }),
                testing::HasSubstr(why));
  };
  NetworkMethods wrong = methods(Rounding::kGptq, true);
  wrong.images->source.preprocessing_name.clear();
  refuse(wrong, "how its images are preprocessed");
  wrong = methods(Rounding::kNearest, false);
  wrong.absorb_channel_scales = true;
  refuse(wrong, "granularity tensor");
}

// A checkpoint of TF-Slim's variables and the ONNX file that is made of it.
class QuantizeSlim : public QuantizeOnnx {
 protected:
  explicit QuantizeSlim(const char* network = "mobilenet_v1_025")
      : slim_(slim_network(network, 10, false).graph), variables_(small_tensors(slim_, 3)) {
    export_network(variables_, {.image_size = 32}, directory() / "slim.onnx", Overwrite::kNo);
    reader_ = open_checkpoint(directory() / "slim.onnx");
    images_.source.resize_side = 32;
    images_.source.image_size = 32;
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
    const auto writer = create_checkpoint_like(
        *reader_, {CheckpointFormat::kOnnx, directory() / "out.onnx"}, Overwrite::kYes);
    NullWriter scales;
    quantize_network(*reader_, make_plan(*reader_, scheme, kernels), methods, {}, *writer, scales);
    writer->finish();
    for (const auto& [name, rows] : found) EXPECT_EQ(values("out.onnx", name), rows) << name;
  }

  Graph slim_;
  MemoryReader variables_;
};

TEST_F(QuantizeSlim, WithoutImagesAsTheOnnxFile) {
  NetworkMethods chosen;
  chosen.image_size = 32;
  chosen.rounding = Rounding::kFlips;
  chosen.bias_correct = true;
  expect_the_codes_of_the_onnx_file(scheme(4), chosen);
  chosen.absorb_channel_scales = true;
  expect_the_codes_of_the_onnx_file(scheme(4, Granularity::Kind::kTensor), chosen);
}

TEST_F(QuantizeSlim, WithImagesErrorsOfOneLayerAreMadeUpForByTheNext) {
  NetworkMethods nearest = methods(Rounding::kNearest, false);
  NetworkMethods rounded = methods(Rounding::kGptq, true);
  nearest.image_size = rounded.image_size = 32;
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
