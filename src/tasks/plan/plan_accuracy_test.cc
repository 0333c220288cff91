#include "narrow/plan_accuracy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "base/testing/expected_error.h"
#include "base/testing/temporary_directory.h"
#include "model/onnx/testing/onnx_of_graph.h"
#include "narrow/best_recipe.h"
#include "narrow/quantize_checkpoint.h"
#include "tasks/plan/plan_networks.h"
#include "tasks/plan/size_search.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {
namespace {

struct Searched {
  std::optional<std::uint64_t> found;
  std::vector<std::uint64_t> sizes;  // that were tried
};

Searched search_threshold(const SizeSearch& search, std::uint64_t least_passing) {
  Searched searched;
  searched.found = least_passing_size(search, [&](std::uint64_t size) {
    searched.sizes.push_back(size);
    return SizeTrial{size >= least_passing, size};
  });
  return searched;
}

TEST(SizeSearch, FindsEveryThresholdToTheResolution) {
  for (const std::uint64_t start : {10U, 400U, 1000U}) {
    for (std::uint64_t threshold = 10; threshold <= 1000; ++threshold) {
      const SizeSearch search{10, 1000, start, 64, 5, 100};
      const auto found = search_threshold(search, threshold).found;
      ASSERT_TRUE(found) << threshold;
      EXPECT_GE(*found, threshold);
      EXPECT_LE(*found, threshold + 5);
    }
  }
}

TEST(SizeSearch, StaysWithinItsTrialsAndSizes) {
  EXPECT_FALSE(search_threshold({10, 1000, 400, 64, 1, 100}, 1001).found);
  const Searched few = search_threshold({10, 1000, 400, 64, 1, 3}, 390);
  EXPECT_EQ(few.sizes, (std::vector<std::uint64_t>{400, 336, 368}));
  EXPECT_EQ(few.found, 400U);
  const Searched all = search_threshold({10, 100, 100, 64, 1, 100}, 0);
  EXPECT_EQ(all.sizes, (std::vector<std::uint64_t>{100, 36, 10}));
  EXPECT_EQ(all.found, 10U);
}

TEST(SizeSearch, TakesTheSizeThatATrialReallyHas) {
  const auto found = least_passing_size({0, 100, 80, 20, 1, 100}, [](std::uint64_t size) {
    return SizeTrial{size >= 40, 40};
  });
  EXPECT_EQ(found, 40U);
}

constexpr std::size_t kImages = 120;
constexpr int kSize = 12;

// A ResNet V1 and images, labelled by what it takes most of them for.
class PlanAccuracyTest : public TemporaryDirectoryTest {
 protected:
  PlanAccuracyTest() : reader_(small_checkpoint(21)) {
    options_.images = {.dataset_name = "cifar10", .dataset_dir = directory()};
    options_.images.image_size = options_.images.resize_side = kSize;
    options_.images.preprocessing_name = "vgg";
    options_.methods.image_size = kSize;
    options_.margin = 0;
    write_noise_dataset(directory(), kImages);
    std::vector<int> labels;
    for (const Prediction& prediction : evaluate(reader_).predictions) {
      labels.push_back(prediction.record % 7 == 0 ? 9 - prediction.argmax : prediction.argmax);
    }
    write_noise_dataset(directory(), kImages, labels);
    request_.widths = {2, 3, 4, 5, 6, 7, 8};
    request_.images = options_.images;
  }

  // Another one, as a file.
  [[nodiscard]] std::shared_ptr<const CheckpointReader> onnx_network() const {
    Graph graph = small_network(10);
    Dimensions& sizes = graph.values[static_cast<std::size_t>(graph.inputs[0])].dimensions;
    sizes[2] = sizes[3] = kSize;
    put_model(directory() / "m.onnx", onnx_of_graph(graph, small_weights(graph, 3)));
    return open_checkpoint(directory() / "m.onnx");
  }
  [[nodiscard]] Evaluation evaluate(const std::shared_ptr<const CheckpointReader>& reader) const {
    const std::vector<std::shared_ptr<const CheckpointReader>> readers = {reader};
    return evaluate_checkpoints(readers, {.images = options_.images}).evaluations.front();
  }
  [[nodiscard]] AccuracyPlan plan_for(double max_drop, int threads = 0) const {
    AccuracyOptions options = options_;
    options.goal.max_drop = max_drop;
    return plan_accuracy(*reader_, request_, options, {.threads = threads});
  }
  // Hits on the images at odd positions, which verify a plan that was searched on half of them.
  [[nodiscard]] static std::uint64_t odd_hits(const Evaluation& evaluation) {
    std::uint64_t hits = 0;
    for (const Prediction& prediction : evaluation.predictions) {
      if (prediction.record % 2 == 1 && prediction.is_correct()) ++hits;
    }
    return hits;
  }
  // What quantizing as the plan says gives.
  [[nodiscard]] std::shared_ptr<const CheckpointReader> quantized(const BitAllocation& plan) const {
    const QuantizePlan quantize =
        make_plan(parse_plan_file(plan_file_text(plan), "the plan"), *reader_);
    MemoryWriter writer;
    NullWriter scales;
    if (options_.methods.any()) {
      quantize_network(*reader_, quantize, options_.methods, {}, writer, scales);
    } else {
      quantize_checkpoint(*reader_, quantize, {}, writer);
    }
    return std::make_shared<MemoryReader>(std::move(writer.tensors));
  }

  std::shared_ptr<const CheckpointReader> reader_;
  AllocationRequest request_;
  AccuracyOptions options_;
};

TEST_F(PlanAccuracyTest, TakesTheSmallestThatKeepsTheGoalAndSaysWhatItGives) {
  const AccuracyPlan found = plan_for(5);
  const PlanAccuracy& accuracy = found.accuracy;
  EXPECT_EQ(accuracy.search_images, kImages / 2);
  ASSERT_LE(accuracy.trials.size(), 20U);
  const PlanTrial& taken = accuracy.trials.at(accuracy.taken);
  EXPECT_EQ(taken.bytes, found.plan.bytes());
  EXPECT_EQ(taken.damage, found.plan.damage);
  for (const PlanTrial& trial : accuracy.trials) {
    const double lost =
        static_cast<double>(accuracy.search_float.hits) - static_cast<double>(trial.accuracy.hits);
    EXPECT_EQ(trial.holds, lost <= 0.05 * kImages / 2 && trial.expected_drop <= 0.05);
    EXPECT_TRUE(trial.bytes >= taken.bytes || !trial.holds) << "nor one of a single width";
  }
  ASSERT_TRUE(accuracy.least_single);
  EXPECT_LT(taken.bytes, accuracy.trials[*accuracy.least_single].bytes);
  const PlanVerification& verification = accuracy.verification;
  EXPECT_EQ(verification.images.images, kImages / 2);
  EXPECT_EQ(verification.float_accuracy.hits, odd_hits(evaluate(reader_)));
  EXPECT_EQ(verification.plan.accuracy.hits, odd_hits(evaluate(quantized(found.plan))));
  ASSERT_EQ(verification.singles.size(), 2U);
  EXPECT_LE(verification.singles[0].bytes, found.plan.bytes());
  EXPECT_GT(verification.singles[1].bytes, found.plan.bytes());
}

TEST_F(PlanAccuracyTest, AMarginTakesMoreBits) {
  const std::uint64_t least = plan_for(5).plan.bytes();
  options_.margin = 3;
  const PlanAccuracy accuracy = plan_for(5).accuracy;
  const PlanTrial& taken = accuracy.trials.at(accuracy.taken);
  EXPECT_GT(taken.bytes, least);
  const auto changed = static_cast<double>(taken.comparison.only_first_correct +
                                           taken.comparison.only_other_correct);
  const double drop = -taken.comparison.difference;
  EXPECT_LE(drop + 3 * std::sqrt((2 * changed / kImages - drop * drop) / kImages * 2), 0.05);
}

TEST_F(PlanAccuracyTest, TrialsAreNoMoreThanAllowed) {
  for (const int most : {1, 2}) {
    options_.most_trials = most;
    const PlanAccuracy accuracy = plan_for(100).accuracy;
    ASSERT_EQ(accuracy.trials.size(), static_cast<std::size_t>(most));
    const PlanTrial& taken = accuracy.trials.at(accuracy.taken);
    EXPECT_EQ(taken.single_bits, most == 1 ? 5 : 3) << "widths of 2 to 8 bits are halved";
  }
}

TEST_F(PlanAccuracyTest, EvaluatesWhatTheMethodsMake) {
  options_.methods.rounding = Rounding::kFlips;
  options_.methods.bias_correct = true;
  const AccuracyPlan found = plan_for(5);
  EXPECT_EQ(found.accuracy.verification.plan.accuracy.hits,
            odd_hits(evaluate(quantized(found.plan))));
}

TEST_F(PlanAccuracyTest, ThreadsDoNotMatter) {
  const std::string one = plan_file_text(plan_for(8, 1));
  EXPECT_EQ(plan_file_text(plan_for(8, 4)), one);
  EXPECT_NE(one.find("\"max_drop\": 8"), std::string::npos) << one.substr(0, 900);
}

TEST_F(PlanAccuracyTest, LeavesInFloatWhatNoWidthIsEnoughFor) {
  request_.widths = {2};
  request_.fixed = {{"*/block1/*", 6}};
  const AccuracyPlan found = plan_for(10);
  EXPECT_FALSE(found.accuracy.least_single);
  ASSERT_FALSE(found.plan.left_in_float.empty());
  std::uint64_t bytes = 0;
  for (const TensorInfo& info : found.plan.left_in_float) {
    EXPECT_EQ(info.name.find("/block1/"), std::string::npos) << info.name;
    bytes += info.byte_size();
  }
  for (const AllocatedTensor& tensor : found.plan.tensors) bytes += tensor.bytes;
  EXPECT_EQ(bytes, found.plan.quantized_bytes);
  EXPECT_EQ(found.accuracy.verification.plan.accuracy.hits,
            odd_hits(evaluate(quantized(found.plan))));
}

TEST_F(PlanAccuracyTest, WithABudgetThePlanIsTheSameAndVerified) {
  request_.average_bits = 4;
  const AccuracyPlan found = plan_accuracy(*reader_, request_, options_);
  EXPECT_EQ(plan_file_text(found.plan), plan_file_text(plan_budget(*reader_, request_)));
  EXPECT_TRUE(found.accuracy.trials.empty());
  EXPECT_EQ(found.accuracy.verification.images.images, kImages);
  EXPECT_EQ(found.accuracy.verification.float_accuracy.hits, evaluate(reader_).accuracy.hits);
}

TEST_F(PlanAccuracyTest, AGoalThatCannotBeIsAnError) {
  const auto sentence = [&](const AccuracyOptions& options, const AllocationRequest& request) {
    return error_message(ErrorCategory::kUsage, [&] { plan_accuracy(*reader_, request, options); });
  };
  AccuracyOptions options = options_;
  EXPECT_NE(sentence(options, request_).find("a budget or for a goal"), std::string::npos);
  options.goal.min_accuracy = 99;
  EXPECT_NE(sentence(options, request_).find("out of reach"), std::string::npos);
  options.goal.max_drop = 1;
  EXPECT_NE(sentence(options, request_).find("not both"), std::string::npos);
  options.goal = {.max_drop = 0};
  AllocationRequest narrow = request_;
  narrow.widths = {1};
  narrow.maximum = {{"*", 1}};
  EXPECT_NE(sentence(options, narrow).find("keeps the goal"), std::string::npos);
  options.most_trials = 0;
  EXPECT_NE(sentence(options, request_).find("at least 1"), std::string::npos);
  options.most_trials = 20;
  AllocationRequest without_batches = request_;
  without_batches.damage = DamageKind::kFisher;
  without_batches.batch_size = 0;
  EXPECT_NE(sentence(options, without_batches).find("batch size is 0"), std::string::npos);
  options.methods.images = CalibrationImages{options.images, kImages};
  EXPECT_NE(sentence(options, request_).find("0 would verify it"), std::string::npos);
}

TEST(BestScheme, KeepsWhatWasGiven) {
  const Scheme chosen = best_scheme(parse_settings({{"bits", "4"}}));
  EXPECT_EQ(chosen.kind, SchemeKind::kSymmetric);
  EXPECT_EQ(chosen.granularity.kind, Granularity::Kind::kChannel);
  EXPECT_EQ(chosen.range.kind, Range::Kind::kMse);
  const PartialScheme given = parse_settings(
      {{"bits", "4"}, {"scheme", "affine"}, {"granularity", "group:8"}, {"range", "minmax"}});
  EXPECT_EQ(best_scheme(given), given.scheme);
}

TEST_F(PlanAccuracyTest, TheBestRecipeGoesByWhatIsThere) {
  const std::shared_ptr<const CheckpointReader> onnx = onnx_network();
  BestRequest request;
  request.scheme = best_scheme(parse_settings({{"bits", "4"}}));
  const BestRecipe planned = best_recipe(*onnx, request);
  ASSERT_TRUE(planned.widths);
  EXPECT_EQ(planned.widths->widths, (std::vector<int>{2, 3, 4, 5, 6, 8}));
  EXPECT_EQ(planned.widths->damage, DamageKind::kOutput);
  EXPECT_EQ(planned.methods.rounding, Rounding::kFlips);
  EXPECT_TRUE(planned.methods.bias_correct);
  EXPECT_EQ(planned.missing.size(), 1U);  // images

  request.methods.images = CalibrationImages{options_.images, 20};
  request.uniform = true;
  const BestRecipe uniform = best_recipe(*onnx, request);
  EXPECT_FALSE(uniform.widths);
  EXPECT_EQ(uniform.methods.rounding, Rounding::kGptq);
  EXPECT_TRUE(uniform.missing.empty());
  for (const TensorPlan& tensor : uniform.plan) {
    EXPECT_EQ(tensor.scheme.value_or(request.scheme).bits, 4);
  }
  request.has_rounding = true;
  EXPECT_EQ(best_recipe(*onnx, request).methods.rounding, Rounding::kNearest);
  EXPECT_EQ(category_of([&] { best_recipe(*reader_, request); }), ErrorCategory::kUsage);
}

TEST_F(PlanAccuracyTest, AbsorbedScalesDamageAsQuantizingWithThemDoes) {
  request_.widths = {4};
  request_.average_bits = 32;
  request_.scheme.kind = SchemeKind::kSymmetric;
  request_.scheme.range = parse_range("mse");
  NetworkMethods methods;
  methods.absorb_channel_scales = true;
  methods.image_size = kSize;
  const std::shared_ptr<const CheckpointReader> onnx = onnx_network();
  for (const auto& reader : {reader_, onnx}) {
    request_.absorb_channel_scales = false;
    const double before = plan_budget(*reader, request_).damage;
    request_.absorb_channel_scales = true;
    const BitAllocation plan = plan_budget(*reader, request_);
    EXPECT_LT(plan.damage, before);
    NullWriter writer;
    NullWriter scales;
    const NetworkResult result =
        quantize_network(*reader, make_plan(parse_plan_file(plan_file_text(plan), "it"), *reader),
                         methods, {}, writer, scales);
    for (const AllocatedTensor& tensor : plan.tensors) {
      EXPECT_NEAR(tensor.relative_l2, result.original_errors.at(tensor.info.name).relative_l2(),
                  1e-6)
          << tensor.info.name;
    }
  }
  request_.scheme.granularity.kind = Granularity::Kind::kChannel;
  EXPECT_NE(error_message(ErrorCategory::kUsage, [&] { plan_budget(*reader_, request_); })
                .find("granularity tensor"),
            std::string::npos);
}

TEST_F(PlanAccuracyTest, NothingIsVerifiedOnWhatItWasChosenWith) {
  AccuracyOptions options = options_;
  options.goal.max_drop = 1;
  options.search_images = 30;
  AllocationRequest request = request_;
  for (const DamageKind damage :
       {DamageKind::kWeight, DamageKind::kMeasured, DamageKind::kFisher}) {
    request.damage = damage;
    request.measured_images = 50;
    request.max_num_batches = 4;
    for (const std::uint64_t size : {61U, 97U, 200U}) {
      const ImageParts parts = image_parts(size, request, options);
      std::vector<std::uint64_t> all;
      std::ranges::set_union(parts.search, parts.verification, std::back_inserter(all));
      EXPECT_EQ(all.size(), size) << "none is in both";
      EXPECT_GE(parts.search.size(), damage == DamageKind::kWeight ? 30U : 32U);
      if (damage != DamageKind::kFisher) continue;
      EXPECT_GE(parts.verification.front(), 32U) << "gradients are of the first images";
    }
  }
  options.verify_images = 7;
  EXPECT_EQ(image_parts(200, request, options).verification.size(), 7U);
}

}  // namespace
}  // namespace narrow
