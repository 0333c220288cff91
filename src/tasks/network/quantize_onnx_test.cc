#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/testing/expected_error.h"
#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "graph/linear_layers.h"
#include "graph/tap_coverage.h"
#include "graph/testing/small_resnet.h"
#include "methods/moments/rectified_normal.h"
#include "model/onnx/testing/onnx_of_graph.h"
#include "narrow/evaluate.h"
#include "narrow/export_network.h"
#include "narrow/plan.h"
#include "narrow/quantize_network.h"
#include "tasks/testing/quantize_test.h"

namespace narrow {
namespace {

constexpr int kSize = 12;
constexpr int kDepth = 8;

// What a Clip of the network lets through.
constexpr double kLimit = 1;

ValueId clip(GraphBuilder& builder, const std::string& name, ValueId x) {
  const auto bound = [&](const std::string& suffix, double number) {
    return builder.constant(name + suffix, make_scalar(DType::kFloat32, number));
  };
  return builder.add(name, op::Clip{}, {x, bound(":0", 0), bound(":1", kLimit)});
}

// A convolution and a depthwise one with batch norms, and a convolution with biases; ReLU or Clip
// between them.
Graph mobile_network(bool is_clipped = false) {
  GraphBuilder builder("mobile");
  const ValueId images = builder.input("images", {Dimension::free("N"), 3, kSize, kSize});
  ValueId x = builder.conv("first", images, 3, kDepth, square_window(3, 2, 1));
  const auto rectified = [&](const std::string& name, ValueId value) {
    return is_clipped ? clip(builder, name, value) : builder.add(name, op::Relu{}, {value});
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

class QuantizeOnnx : public QuantizeTest {
 protected:
  QuantizeOnnx() : QuantizeTest(kSize) {
    const Graph graph = mobile_network();
    put_model(directory() / "float.onnx", onnx_of_graph(graph, small_weights(graph, 3)));
    reader_ = open_checkpoint(directory() / "float.onnx");
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

  // Opens the network as unequal.onnx, row i of the weight, of kDepth, multiplied by i + 1.
  void put_unequal(const Graph& graph, const std::string& weight) {
    Weights weights = small_weights(graph, 3);
    const std::span<float> rows = weights.values(weight);
    const std::size_t size = rows.size() / kDepth;
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] *= static_cast<float>(1 + i / size);
    put_model(directory() / "unequal.onnx", onnx_of_graph(graph, weights));
    reader_ = open_checkpoint(directory() / "unequal.onnx");
  }
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

// Weights move by one step at most, and what corrects them follows.
TEST_F(QuantizeOnnx, LearnedRoundingStartsFromThatOfLayers) {
  quantize(scheme(3, Granularity::Kind::kTensor), methods(Rounding::kGptq, true), "g.onnx");
  const NetworkResult learned =
      quantize(scheme(3, Granularity::Kind::kTensor), methods(Rounding::kLearned, true), "l.onnx");
  ASSERT_EQ(learned.layers.size(), 3U);
  const std::string name = "first/weights";
  const std::vector<float> before = values("g.onnx", name);
  const std::vector<float> after = values("l.onnx", name);
  const std::set<float> codes(before.begin(), before.end());
  std::size_t moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (after[i] == before[i]) continue;
    ++moved;
    const auto [low, high] = std::minmax(before[i], after[i]);
    EXPECT_LE(std::distance(codes.find(low), codes.find(high)), 1) << i;
  }
  EXPECT_GT(moved, 0U);
  EXPECT_LT(moved, before.size() / 2);
  EXPECT_NE(values("l.onnx", "first_norm/moving_mean"), values("g.onnx", "first_norm/moving_mean"));
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
    put_unequal(mobile_network(is_clipped), "depthwise/weights");
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
  put_unequal(mobile_network(true), "depthwise/weights");
  const std::vector<double> exact = losses("unequal.onnx");
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

TEST_F(QuantizeOnnx, ExportsLevelChannelsThroughClipOfVectors) {
  GraphBuilder builder("vectors");
  const ValueId images = builder.input("images", {Dimension::free("N"), 3, kSize, kSize});
  ValueId x = builder.conv_with_bias("first", images, 3, kDepth, square_window(3, 2, 1));
  x = builder.add("flat", op::Flatten{}, {builder.add("mean", op::GlobalAveragePool{}, {x})});
  x = clip(builder, "clip", x);
  const ValueId dense = builder.weight({"dense/weights", {kDepth, 10}});
  put_unequal(builder.finish({builder.add("logits", op::MatMul{}, {x, dense})}), "dense/weights");
  const std::vector<double> exact = losses("unequal.onnx");
  export_network(*reader_, {.equalize = true}, directory() / "level.onnx", Overwrite::kNo);
  const std::vector<double> found = losses("level.onnx");
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], exact[i], 1e-4);
  EXPECT_EQ(values("level.onnx", "clip/limits").size(), static_cast<std::size_t>(kDepth));
  EXPECT_NE(values("level.onnx", "dense/weights"), values("unequal.onnx", "dense/weights"));
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

TEST_F(QuantizeOnnx, FoldedNormsDoNotSayWhatAClipCuts) {
  put_unequal(mobile_network(true), "depthwise/weights");
  NetworkMethods fold = methods(Rounding::kNearest, false);
  fold.images.reset();
  fold.fold = true;
  quantize(scheme(24), fold, "folded.onnx");
  reader_ = open_checkpoint(directory() / "folded.onnx");
  NetworkMethods equalize = methods(Rounding::kNearest, false);
  equalize.images.reset();
  equalize.equalize = true;
  struct Notes : QuantizeObserver {
    void on_note(const std::string& sentence) override { all.push_back(sentence); }
    std::vector<std::string> all;
  } notes;
  NullWriter writer;
  NullWriter scales;
  quantize_network(*reader_, make_plan(*reader_, scheme(24), {}), equalize, {}, writer, scales,
                   {.observer = &notes});
  EXPECT_THAT(notes.all, testing::ElementsAre(testing::StartsWith(
                             "2 of 2 layers are not equalized, since nothing tells")));
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
  for (const Rounding rounding : {Rounding::kGptq, Rounding::kLearned}) {
    quantize(scheme(4), methods(rounding, true), "one.onnx", 1);
    quantize(scheme(4), methods(rounding, true), "three.onnx", 3);
    for (const TensorInfo& info : reader_->tensors()) {
      if (info.dtype != DType::kFloat32) continue;
      EXPECT_EQ(values("one.onnx", info.name), values("three.onnx", info.name)) << info.name;
    }
  }
}

// With little memory nothing is kept between layers, but the images.
TEST_F(QuantizeOnnx, MemoryHardlyMatters) {
  NetworkMethods little = methods(Rounding::kGptq, true);
  const NetworkResult usual = quantize(scheme(4), little);
  little.images->memory_bytes = 1 << 20;
  const NetworkResult found = quantize(scheme(4), little);
  for (std::size_t i = 0; i < usual.layers.size(); ++i) {
    EXPECT_NEAR(found.layers[i].output_error, usual.layers[i].output_error,
                0.02 * usual.layers[i].output_error);
  }
  little.images->memory_bytes = 1 << 17;
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { quantize(scheme(4), little); }),
              testing::HasSubstr("take fewer, or allow more memory"));
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

}  // namespace
}  // namespace narrow
