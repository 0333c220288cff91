#include "report/sweep/sweep_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/table/table_formats.h"

namespace narrow {
namespace {

// Two schemes, three tensors of which one could not be measured, an evaluation, a histogram.
SweepOutcome example() {
  SweepOutcome outcome;
  outcome.checkpoint = {CheckpointFormat::kTensorFlowV2, "folder/model.ckpt-1"};
  outcome.command = "narrow sweep 'a<b'";
  outcome.selection = "all";
  Scheme fixed{SchemeKind::kFixedPoint, 4, Scaling::kDecimal, parse_granularity("channel")};
  outcome.errors.schemes = {{SchemeKind::kBin, 4, {}, {}}, fixed, {SchemeKind::kBin, 2, {}, {}}};
  for (const char* name : {"net/<w>", "net/beta", "net/nan"}) {
    TensorSweep& tensor = outcome.errors.tensors.emplace_back();
    tensor.info = {name, DType::kFloat32, {2, 2}};
  }
  outcome.errors.tensors[1].info.shape = {4};
  outcome.errors.tensors[2].non_finite = 2;
  for (std::size_t i = 0; i < 2; ++i) {
    const double error = i == 0 ? 0.01 : 0;
    const SchemeCost cost{{.count = 4, .sum_x2 = 1, .sum_d2 = error * error}, 1, 0, 16, 64};
    outcome.errors.tensors[i].costs = {cost, cost, cost};
  }
  SweepEvaluation& evaluation = outcome.evaluation.emplace();
  evaluation.images.images = 10;
  evaluation.images.dataset_name = "cifar10";
  evaluation.network = "net";
  evaluation.float_network.accuracy = {9, 10, {0.6, 0.98}};
  evaluation.float_network.recall_at_5 = {10, 10, {0.7, 1}};
  evaluation.networks.resize(3);
  for (NetworkScore& score : evaluation.networks) {
    score.accuracy = {8, 10, {0.5, 0.95}};
    score.recall_at_5 = {10, 10, {0.7, 1}};
    score.comparison = {2, 1, 7, 0.00001, -0.1, {-0.3, 0.1}};
    score.agreement = 0.7;
    score.mean_kl = 0.25;
  }
  outcome.histograms.push_back(
      {{outcome.errors.tensors[0].info, -1, 1, {1, 3}, {{2, 2}}}, {outcome.errors.schemes[0]}});
  return outcome;
}

TEST(SweepReport, SeriesAreSchemesWithoutTheirWidth) {
  const SweepOutcome outcome = example();
  const auto series = series_of(outcome.errors.schemes);
  ASSERT_EQ(series.size(), 2U);
  EXPECT_EQ(series[0].name, "bin");
  EXPECT_EQ(series[0].places, (std::vector<std::size_t>{2, 0}));
  EXPECT_EQ(series[1].name, "fixed-point decimal, channel");
}

TEST(SweepReport, TextHasTheFloatRowAndWhatWasLeftOut) {
  const std::string text = sweep_text(example());
  EXPECT_NE(text.find("float"), std::string::npos) << text;
  EXPECT_NE(text.find("fixed-point decimal, channel     4  20 bytes "), std::string::npos) << text;
  EXPECT_NE(text.find("-10.00     -30.00  +10.00  <0.0001"), std::string::npos) << text;
  EXPECT_NE(text.find("left out: net/nan has 2 NaN"), std::string::npos) << text;
  EXPECT_NE(text.find("net on 10 of 0 images of cifar10"), std::string::npos) << text;
}

TEST(SweepReport, JsonHasRowsAndTensors) {
  const auto json = sweep_report(example()).json;
  EXPECT_EQ(json["schema"], 1);
  ASSERT_EQ(json["rows"].size(), 4U);
  EXPECT_EQ(json["rows"][0]["scheme"], "float");
  EXPECT_EQ(json["rows"][0]["mcnemar_p"], nullptr);
  EXPECT_EQ(json["rows"][2]["scaling"], "decimal");
  EXPECT_EQ(json["rows"][2]["granularity"], "channel");
  EXPECT_EQ(json["rows"][1]["bytes"], 20);
  EXPECT_EQ(json["rows"][1]["mean_kl"], 0.25);
  EXPECT_EQ(json["rows"][1]["only_float_correct"], 2);
  ASSERT_EQ(json["tensors"].size(), 6U);
  EXPECT_EQ(json["tensors"][0]["relative_l2"], 0.01);
  EXPECT_EQ(json["evaluation"]["images"], 10);
}

TEST(SweepReport, PageAnswersTheQuestion) {
  const std::string page = sweep_report(example()).html;
  EXPECT_NE(page.find("<b>90.00 %</b>"), std::string::npos);
  EXPECT_NE(page.find("bin: no width is within 1 point of float"), std::string::npos);
  EXPECT_NE(page.find("narrow sweep &#39;a&lt;b&#39;"), std::string::npos);
  EXPECT_NE(page.find("<th title=\"&lt;w&gt;\">&lt;w&gt;</th>"), std::string::npos);
  EXPECT_NE(page.find("<tr class=\"minor\"><th title=\"beta\">"), std::string::npos);
  EXPECT_EQ(page.find("<w>"), std::string::npos);
  SweepOutcome outcome = example();
  outcome.evaluation.reset();
  EXPECT_NE(sweep_report(outcome).html.find("fewest below 1 % relative error"), std::string::npos);
}

}  // namespace
}  // namespace narrow
