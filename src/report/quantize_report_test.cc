#include "report/quantize_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/table/table_formats.h"

namespace narrow {
namespace {

QuantizeResult example() {
  QuantizeResult result;
  result.tensors.resize(2);
  TensorResult& weights = result.tensors[0];
  weights.info = {"conv/weights", DType::kFloat32, {2, 3}};
  weights.quantized = true;
  weights.scheme.kind = SchemeKind::kFixedPoint;
  weights.blocks = 1;
  weights.params.emplace_back();
  weights.params.back().fraction_bits = 6;
  weights.params.back().is_signed = true;
  weights.errors = {.count = 6, .sum_x2 = 100, .sum_d2 = 1, .max_abs_d = 0.5};
  weights.codes_used = 5;
  TensorResult& step = result.tensors[1];
  step.info = {"global_step", DType::kInt64, {}};
  result.summary.quantized = 1;
  result.summary.copied = 1;
  result.summary.mean_relative_l2 = 0.1;
  result.summary.min_relative_l2 = 0.1;
  result.summary.max_relative_l2 = 0.1;
  result.summary.pooled = weights.errors;
  result.summary.input_bytes = 32;
  result.summary.seconds = 0.5;
  return result;
}

TEST(QuantizeReport, JsonHasTheDocumentedFields) {
  const auto json = quantize_json(example());
  EXPECT_EQ(json["schema"], 1);
  const auto& weights = json["tensors"][0];
  EXPECT_EQ(weights["name"], "conv/weights");
  EXPECT_EQ(weights["dtype"], "float32");
  EXPECT_EQ(weights["shape"], (std::vector<int>{2, 3}));
  EXPECT_EQ(weights["scheme"], "fixed-point");
  EXPECT_EQ(weights["bits"], 8);
  EXPECT_EQ(weights["params"]["format"], "Q1.6");
  EXPECT_EQ(weights["relative_l2"], 0.1);
  EXPECT_EQ(weights["sqnr_db"], 20.0);
  EXPECT_EQ(weights["max_abs_error"], 0.5);
  EXPECT_EQ(json["tensors"][1]["quantized"], false);
  const auto& summary = json["summary"];
  EXPECT_EQ(summary["quantized"], 1);
  EXPECT_EQ(summary["copied"], 1);
  EXPECT_EQ(summary["relative_l2"]["pooled"], 0.1);
  EXPECT_EQ(summary["input_bytes"], 32);
  EXPECT_EQ(summary["seconds"], 0.5);
}

TEST(QuantizeReport, TextNamesQuotientAndPercent) {
  const std::string text = quantize_summary_text(example().summary);
  EXPECT_NE(text.find("1 tensors quantized, 1 copied"), std::string::npos) << text;
  EXPECT_NE(text.find("average 0.1 (10 %)"), std::string::npos) << text;
  EXPECT_NE(text.find("SQNR 20.00 dB"), std::string::npos) << text;
  const std::string table = table_text(quantize_table(example()));
  EXPECT_NE(table.find("Q1.6"), std::string::npos) << table;
  EXPECT_NE(table.find("copied"), std::string::npos) << table;
}

}  // namespace
}  // namespace narrow
