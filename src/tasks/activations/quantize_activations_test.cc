// From an ONNX file to integers and back.
#include "narrow/quantize_activations.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>

#include "base/testing/expected_error.h"
#include "graph/graph_builder.h"
#include "graph/testing/small_resnet.h"
#include "model/onnx/testing/onnx_of_graph.h"
#include "narrow/evaluate.h"
#include "narrow/plan_accuracy.h"
#include "narrow/run_network.h"
#include "narrow/sweep_evaluation.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {
namespace {

constexpr int kSize = 12;
constexpr int kDepth = 8;

// A convolution with batch norm, a depthwise one that is added to it, and one with biases.
Graph small_network() {
  GraphBuilder builder("small");
  const ValueId images = builder.input("images", {Dimension::free("N"), 3, kSize, kSize});
  ValueId x = builder.add("first", op::Conv{square_window(3, 2, 1), 1},
                          {images, builder.weight({"first/weights", {kDepth, 3, 3, 3}})});
  x = builder.batch_norm("norm", x, kDepth, {.epsilon = 1e-3});
  x = builder.add("relu", op::Relu{}, {x});
  const ValueId kernel = builder.weight({"depthwise/weights", {kDepth, 1, 3, 3}});
  const ValueId y = builder.add("depthwise", op::Conv{square_window(3, 1, 1), kDepth}, {x, kernel});
  x = builder.add("sum", op::Add{}, {x, y});
  x = builder.add("mean", op::GlobalAveragePool{}, {x});
  const ValueId last = builder.weight({"last/weights", {10, kDepth, 1, 1}});
  const ValueId bias =
      builder.weight({"last/biases", {10}, WeightLayout::kAsUsed, WeightRole::kBias});
  x = builder.add("last", op::Conv{square_window(1, 1), 1}, {x, last, bias});
  return builder.finish({builder.add("logits", op::Flatten{}, {x})});
}

class QuantizeActivations : public TemporaryDirectoryTest {
 protected:
  QuantizeActivations() {
    write_noise_dataset(directory(), 40);
    images_.source = noise_source(directory(), kSize);
    images_.source.preprocessing_name = "vgg";
    images_.count = 20;
    const Graph graph = small_network();
    put_model(directory() / "float.onnx", onnx_of_graph(graph, small_weights(graph, 3)));
  }

  IntegerNetworkResult quantize(const std::string& name, const ActivationScheme& scheme,
                                int threads = 0, SchemeKind weights = SchemeKind::kSymmetric,
                                IntegerTarget target = IntegerTarget::kPortable) {
    const auto reader = open_checkpoint(directory() / "float.onnx");
    Scheme of_weights;
    of_weights.kind = weights;
    of_weights.granularity.kind = Granularity::Kind::kChannel;
    return quantize_activations(*reader, make_plan(*reader, of_weights, {}), {}, {},
                                {scheme, target, images_}, directory() / name, Overwrite::kYes,
                                {.threads = threads});
  }

  // Logits of noise.
  std::vector<float> logits(const std::string& name, Execution execution) {
    const auto reader = open_checkpoint(directory() / name);
    auto inputs = random_inputs(*reader, "", {{"images", {4, 3, kSize, kSize}}}, 5);
    // As the images of the calibration are: noise around a level.
    std::vector<float> pixels(inputs[0].values.size() / sizeof(float));
    std::memcpy(pixels.data(), inputs[0].values.data(), inputs[0].values.size());
    for (float& pixel : pixels) pixel = 28 * pixel + 20;
    std::memcpy(inputs[0].values.data(), pixels.data(), inputs[0].values.size());
    RunNetworkOptions options;
    options.execution = execution;
    const NetworkRun run = run_network(*reader, inputs, options);
    EXPECT_EQ(run.batching, Batching::kIndependent);
    std::vector<float> values(run.outputs.at(0).values.size() / sizeof(float));
    std::memcpy(values.data(), run.outputs[0].values.data(), values.size() * sizeof(float));
    return values;
  }

  static double relative_difference(const std::vector<float>& a, const std::vector<float>& b) {
    double error = 0;
    double power = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      error += (a[i] - b[i]) * (a[i] - b[i]);
      power += a[i] * a[i];
    }
    return std::sqrt(error / power);
  }

  CalibrationImages images_;
};

TEST_F(QuantizeActivations, TheFileRunsInIntegersAsItsSimulationSays) {
  const IntegerNetworkResult result = quantize("8.onnx", {});
  EXPECT_EQ(result.images, 20U);
  EXPECT_EQ(result.accumulators.size(), 3U);
  EXPECT_TRUE(result.float_nodes.empty());
  // images, relu, depthwise, sum, mean
  EXPECT_EQ(result.activations.size(), 5U);
  const std::vector<float> exact = logits("float.onnx", Execution::kDefault);
  const std::vector<float> integers = logits("8.onnx", Execution::kDefault);
  EXPECT_EQ(integers, logits("8.onnx", Execution::kInteger));
  EXPECT_LT(relative_difference(exact, integers), 0.05);
  EXPECT_GT(relative_difference(exact, integers), 0);
  EXPECT_LT(relative_difference(integers, logits("8.onnx", Execution::kSimulate)), 0.01);
  EXPECT_LT(relative_difference(exact, logits("8.onnx", Execution::kFloat)), 0.02);
}

TEST_F(QuantizeActivations, ToldWidthsAreThoseOfTheRanges) {
  const auto reader = open_checkpoint(directory() / "float.onnx");
  Scheme weights;
  weights.kind = SchemeKind::kSymmetric;
  ActivationOptions options{parse_activations("6"), IntegerTarget::kPortable, images_};
  options.tells_widths = true;
  const auto result = quantize_activations(*reader, make_plan(*reader, weights, {}), {}, {},
                                           options, "", Overwrite::kNo);
  for (const QuantizedActivation& value : result.activations) {
    ASSERT_EQ(value.errors.size(), std::size_t{kMostToldBits - kLeastToldBits + 1}) << value.value;
    EXPECT_EQ(value.error, value.errors[6 - kLeastToldBits]) << value.value;
    EXPECT_TRUE(std::is_sorted(value.errors.rbegin(), value.errors.rend())) << value.value;
    const std::optional<int> wanted = value.wanted_bits();
    ASSERT_TRUE(wanted.has_value()) << value.value;
    const auto place = static_cast<std::size_t>(*wanted - kLeastToldBits);
    EXPECT_LE(value.errors[place], kEnoughForActivation);
    EXPECT_GT(value.errors[place - 1], kEnoughForActivation);
  }
  EXPECT_EQ(QuantizedActivation().wanted_bits(), std::nullopt);
}

TEST_F(QuantizeActivations, WhatOptionsLeaveOpenIsChosen) {
  const auto reader = open_checkpoint(directory() / "float.onnx");
  Scheme weights;
  weights.kind = SchemeKind::kSymmetric;
  const QuantizePlan plan = make_plan(*reader, weights, {});
  const ActivationOptions given{parse_activations("3"), IntegerTarget::kPortable, images_};
  const auto choose = [&](const ActivationOptions& options,
                          const std::vector<std::string>& ranges) {
    return choose_activations(*reader, plan, options, ranges);
  };
  // Half of the values clipped are no range to take.
  const ActivationOptions chosen = choose(given, {"percentile:51", "minmax"});
  EXPECT_EQ(chosen.scheme.range, ActivationRange::kMinMax);
  ASSERT_EQ(chosen.rules.size(), 1U);
  EXPECT_EQ(chosen.rules[0].pattern, "images");
  EXPECT_EQ(chosen.rules[0].scheme, parse_activations("8"));
  EXPECT_EQ(choose(given, {}).scheme, given.scheme);
  EXPECT_TRUE(
      choose({parse_activations("8"), IntegerTarget::kPortable, images_}, {}).rules.empty());
  EXPECT_EQ(choose(chosen, {"mse"}).scheme, chosen.scheme);  // it has rules
}

TEST_F(QuantizeActivations, ImpossibleSchemesAreRefused) {
  ActivationScheme scheme;
  scheme.bits = 1;
  EXPECT_EQ(error_message(ErrorCategory::kUsage, [&] { quantize("x.onnx", scheme); }),
            "activations have 1 bits, expected 2 to 16");
  scheme.bits = 8;
  scheme.range = ActivationRange::kPercentile;
  EXPECT_EQ(error_message(ErrorCategory::kUsage, [&] { quantize("x.onnx", scheme); }),
            "the percentile of activations is 0, expected above 50 and at most 100");
}

TEST_F(QuantizeActivations, QonnxHasTheSameNumbers) {
  const auto reader = open_checkpoint(directory() / "float.onnx");
  for (const SchemeKind kind : {SchemeKind::kSymmetric, SchemeKind::kAffine}) {
    Scheme weights;
    weights.kind = kind;
    weights.bits = 5;
    weights.granularity.kind = Granularity::Kind::kChannel;
    ActivationOptions options = {parse_activations("6"), IntegerTarget::kPortable, images_};
    for (const char* const name : {"qdq.onnx", "qonnx.onnx"}) {
      quantize_activations(*reader, make_plan(*reader, weights, {}), {}, {}, options,
                           directory() / name, Overwrite::kYes);
      options.form = IntegerForm::kQonnx;
    }
    for (const Execution execution :
         {Execution::kInteger, Execution::kSimulate, Execution::kFloat}) {
      EXPECT_EQ(logits("qonnx.onnx", execution), logits("qdq.onnx", execution));
    }
  }
}

TEST_F(QuantizeActivations, EveryNumberOfThreadsGivesTheSameFile) {
  const auto read = [&](const std::string& name) {
    std::ifstream file(directory() / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  ActivationScheme scheme;
  scheme.range = ActivationRange::kMse;
  quantize("one.onnx", scheme, 1);
  quantize("two.onnx", scheme, 2);
  EXPECT_EQ(read("one.onnx"), read("two.onnx"));
}

TEST_F(QuantizeActivations, FewerBitsAndOtherSchemesCostWhatTheyCost) {
  const std::vector<float> exact = logits("float.onnx", Execution::kDefault);
  std::vector<double> errors;
  for (const char* const text : {"12", "8:symmetric", "6:fixed-point", "3"}) {
    quantize("few.onnx", parse_activations(text));
    errors.push_back(relative_difference(exact, logits("few.onnx", Execution::kDefault)));
  }
  EXPECT_LT(errors[0], 0.02);
  EXPECT_LT(errors[1], 0.1);
  EXPECT_LT(errors[1], errors[2]);
  EXPECT_LT(errors[2], errors[3]);
}

TEST_F(QuantizeActivations, AnAffineNetworkIsEvaluatedInIntegers) {
  quantize("affine.onnx", {}, 0, SchemeKind::kAffine);
  EvaluateOptions options;
  options.images = images_.source;
  std::vector<std::shared_ptr<const CheckpointReader>> readers;
  for (const char* const name : {"float.onnx", "affine.onnx"}) {
    readers.push_back(open_checkpoint(directory() / name));
  }
  const EvaluateResult result = evaluate_checkpoints(readers, options);
  EXPECT_EQ(result.evaluations[0].execution, Execution::kFloat);
  EXPECT_EQ(result.evaluations[1].execution, Execution::kInteger);
  EXPECT_NEAR(result.evaluations[0].mean_loss, result.evaluations[1].mean_loss,
              0.05 * result.evaluations[0].mean_loss);
}

TEST_F(QuantizeActivations, SaysWhatDoesNotGoTogether) {
  const std::string scheme =
      error_message(ErrorCategory::kUsage, [&] { quantize("x.onnx", {}, 0, SchemeKind::kBin); });
  EXPECT_NE(scheme.find("its scheme is bin"), std::string::npos) << scheme;
  const std::string target = error_message(ErrorCategory::kUsage, [&] {
    quantize("x.onnx", {}, 0, SchemeKind::kSymmetric, IntegerTarget::kTensorRt);
  });
  EXPECT_NE(target.find("TensorRT takes symmetric"), std::string::npos) << target;
  EXPECT_FALSE(std::filesystem::exists(directory() / "x.onnx"));
}

// Each row of a sweep is the network that a file and its evaluation give.
TEST_F(QuantizeActivations, SweepsAsFilesAreEvaluated) {
  const std::vector<std::optional<ActivationScheme>> activations = {
      std::nullopt, parse_activations("8"), parse_activations("4:symmetric")};
  const std::shared_ptr<const CheckpointReader> reader =
      open_checkpoint(directory() / "float.onnx");
  Scheme scheme;
  scheme.kind = SchemeKind::kSymmetric;
  scheme.bits = 8;
  scheme.granularity.kind = Granularity::Kind::kChannel;
  const std::vector<std::size_t> indices = trainable_indices(*reader, "");
  SweepEvaluationOptions options;
  options.images = images_.source;
  options.activations = activations;
  options.calibration = images_;
  const SweepEvaluation found = evaluate_schemes(reader, indices, {&scheme, 1}, options);
  ASSERT_EQ(found.networks.size(), 3U);
  options.network_bytes = 1;
  EXPECT_EQ(evaluate_schemes(reader, indices, {&scheme, 1}, options).networks[2].mean_loss,
            found.networks[2].mean_loss);
  EvaluateOptions evaluate;
  evaluate.images = images_.source;
  for (std::size_t i = 1; i < 3; ++i) {
    quantize("swept.onnx", *activations[i]);
    const std::vector<std::shared_ptr<const CheckpointReader>> readers = {
        open_checkpoint(directory() / "swept.onnx")};
    const EvaluateResult expected = evaluate_checkpoints(readers, evaluate);
    EXPECT_EQ(found.networks[i].mean_loss, expected.evaluations[0].mean_loss);
    EXPECT_EQ(found.networks[i].accuracy.hits, expected.evaluations[0].accuracy.hits);
  }
  EXPECT_NE(found.networks[1].mean_loss, found.networks[0].mean_loss);
  EXPECT_NE(found.networks[1].mean_loss, found.networks[2].mean_loss);
}

TEST_F(QuantizeActivations, RulesGiveValuesOtherSchemes) {
  const auto reader = open_checkpoint(directory() / "float.onnx");
  Scheme of_weights;
  of_weights.kind = SchemeKind::kSymmetric;
  of_weights.granularity.kind = Granularity::Kind::kChannel;
  ActivationScheme base;
  base.range = ActivationRange::kMse;
  ActivationOptions options{base,
                            IntegerTarget::kPortable,
                            images_,
                            false,
                            {parse_activation_rule("rel*: 4:symmetric minmax", base),
                             parse_activation_rule("*: 6", base)}};
  const auto run = [&] {
    return quantize_activations(*reader, make_plan(*reader, of_weights, {}), {}, {}, options, "",
                                Overwrite::kNo);
  };
  for (const QuantizedActivation& value : run().activations) {
    EXPECT_EQ(value.bits, value.value.starts_with("rel") ? 4 : 6) << value.value;
    EXPECT_EQ(value.type, value.value.starts_with("rel") ? "int8" : "uint8") << value.value;
  }
  options.rules.push_back({"none*", {}});
  EXPECT_NE(error_message(ErrorCategory::kUsage, run).find("none*"), std::string::npos);
  EXPECT_EQ(options.rules[0].scheme.range, ActivationRange::kMinMax);
  EXPECT_EQ(options.rules[1].scheme.range, ActivationRange::kMse);
  options.steps = {{"relu/activation_step/uint4", 1.0F}};
  EXPECT_NE(error_message(ErrorCategory::kUsage, run).find("steps of a training"),
            std::string::npos);
}

// The same integers from half the bytes.
TEST_F(QuantizeActivations, WeightsOfFewBitsArePackedInInt4) {
  const auto reader = open_checkpoint(directory() / "float.onnx");
  Scheme four;
  four.kind = SchemeKind::kSymmetric;
  four.bits = 4;
  four.granularity.kind = Granularity::Kind::kChannel;
  ActivationOptions options{{}, IntegerTarget::kPortable, images_};
  const QuantizePlan plan = make_plan(*reader, four, {});
  quantize_activations(*reader, plan, {}, {}, options, directory() / "bytes.onnx", Overwrite::kNo);
  options.packs_weights = true;
  quantize_activations(*reader, plan, {}, {}, options, directory() / "packed.onnx", Overwrite::kNo);
  EXPECT_EQ(logits("bytes.onnx", Execution::kInteger), logits("packed.onnx", Execution::kInteger));
  const auto packed = open_checkpoint(directory() / "packed.onnx");
  std::size_t count = 0;
  for (const TensorInfo& info : packed->tensors()) count += info.type_name() == "INT4" ? 1 : 0;
  EXPECT_EQ(count, 3U);
  options.target = IntegerTarget::kTensorRt;
  options.scheme.kind = ActivationSchemeKind::kSymmetric;
  EXPECT_EQ(category_of(
                [&] { quantize_activations(*reader, plan, {}, {}, options, "", Overwrite::kNo); }),
            ErrorCategory::kUsage);
}

// Widths of weights and values together: what the plan was verified with is what the file gives.
TEST_F(QuantizeActivations, APlanChoosesWidthsOfValuesToo) {
  const std::shared_ptr<const CheckpointReader> reader =
      open_checkpoint(directory() / "float.onnx");
  AllocationRequest request;
  request.scheme.kind = SchemeKind::kSymmetric;
  request.scheme.granularity.kind = Granularity::Kind::kChannel;
  request.widths = {4, 8};
  request.damage = DamageKind::kMeasured;
  request.images = images_.source;
  request.measured_images = 10;
  request.average_bits = 6;
  for (const int bits : {2, 5, 8}) {
    request.activations.push_back(parse_activations(std::to_string(bits)));
  }
  AccuracyOptions options;
  options.images = images_.source;
  const AccuracyPlan planned = plan_accuracy(*reader, request, options);
  const BitAllocation& plan = planned.plan;
  ASSERT_EQ(plan.activations.size(), 5U);
  EXPECT_EQ(plan.activations[0].elements, 3U * kSize * kSize);
  EXPECT_LE(plan.average_bits(), 6);
  EXPECT_GT(plan.activation_bits(), 2);
  double damage = 0;
  for (const AllocatedActivation& activation : plan.activations) damage += activation.damage;
  EXPECT_GT(damage, 0);
  EXPECT_LT(damage, plan.damage);

  const std::filesystem::path file = directory() / "plan.json";
  std::ofstream(file) << plan_file_text(planned);
  EXPECT_EQ(read_plan_file(file).size(), plan.tensors.size());
  ActivationOptions activations;
  activations.images = {images_.source, request.measured_images};
  activations.rules = parse_plan_activations(read_plan_text(file), "plan.json");
  const IntegerNetworkResult result =
      quantize_activations(*reader, make_plan(read_plan_file(file), *reader), {}, {}, activations,
                           directory() / "planned.onnx", Overwrite::kYes);
  for (std::size_t i = 0; i < plan.activations.size(); ++i) {
    EXPECT_EQ(result.activations[i].bits, plan.activations[i].scheme.bits);
  }
  EvaluateOptions evaluate;
  evaluate.images = images_.source;
  const std::vector<std::shared_ptr<const CheckpointReader>> readers = {
      open_checkpoint(directory() / "planned.onnx")};
  std::uint64_t hits = 0;
  const EvaluateResult evaluated = evaluate_checkpoints(readers, evaluate);
  for (const Prediction& prediction : evaluated.evaluations[0].predictions) {
    // Every fourth one was seen.
    if (prediction.record % 4 != 0 && prediction.is_correct()) ++hits;
  }
  EXPECT_EQ(planned.accuracy.verification.images.images, 30U);
  EXPECT_EQ(planned.accuracy.verification.plan.accuracy.hits, hits);
}

}  // namespace
}  // namespace narrow
