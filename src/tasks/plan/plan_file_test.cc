#include <gtest/gtest.h>

#include "base/json_text.h"
#include "checkpoint/testing/memory_checkpoint.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/plan.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

MemoryReader reader() {
  return MemoryReader({memory_tensor("a/w", DType::kFloat32, {2, 3}, std::vector<float>(6, 1.5F)),
                       memory_tensor("b", DType::kFloat32, {3}, std::vector<float>{1, 2, 4}),
                       memory_tensor("step", DType::kInt64, {}, std::vector<std::int64_t>{3})});
}

BitAllocation plan_of(const Scheme& scheme) {
  AllocationRequest request;
  request.scheme = scheme;
  request.widths = {3, 5};
  request.average_bits = 300;
  return plan_budget(reader(), request);
}

std::string error_of(const std::string& json, ErrorCategory category = ErrorCategory::kCorrupt) {
  try {
    parse_plan_file(json, "p.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), category) << error.what();
    EXPECT_NE(std::string(error.what()).find("p.json"), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << json;
  return "";
}

TEST(PlanFile, IsReadAsItWasWritten) {
  for (const auto kind : {SchemeKind::kBin, SchemeKind::kFixedPoint}) {
    Scheme scheme;
    scheme.kind = kind;
    scheme.scaling = kind == SchemeKind::kFixedPoint ? Scaling::kDecimal : Scaling::kBinary;
    scheme.granularity = parse_granularity("channel");
    scheme.granularity.axis = -1;
    BitAllocation plan = plan_of(scheme);
    plan.tensors[0].scheme.range = parse_range("percentile:99.9");
    const auto entries = parse_plan_file(plan_file_text(plan), "p.json");
    ASSERT_EQ(entries.size(), 2u);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      EXPECT_EQ(entries[i].name, plan.tensors[i].info.name);
      EXPECT_EQ(entries[i].shape, plan.tensors[i].info.shape);
      EXPECT_EQ(entries[i].scheme, plan.tensors[i].scheme);
    }
    EXPECT_EQ(entries[1].scheme.bits, 16) << "a vector";
    const QuantizePlan quantize = make_plan(entries, reader());
    ASSERT_EQ(quantize.size(), 3u);
    EXPECT_EQ(quantize[0].scheme, plan.tensors[0].scheme);
    EXPECT_EQ(quantize[1].scheme, plan.tensors[1].scheme);
    EXPECT_FALSE(quantize[2].scheme.has_value());
  }
}

TEST(PlanFile, SaysWhatItIsAbout) {
  const auto json = parse_json(plan_file_text(plan_of({})));
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["input"]["name"], "memory");
  EXPECT_EQ(json["input"]["digest"], checkpoint_digest(reader()));
  EXPECT_EQ(json["damage"]["kind"], "weight");
  EXPECT_EQ(json["tensors"][0]["name"], "a/w");
}

TEST(PlanFile, WhatAnEarlierVersionSaidOfTheInputIsNoHindrance) {
  ordered_json json = parse_json(plan_file_text(plan_of({})));
  json["input"]["digest"] = "crc32c:1a2b3c4d";
  EXPECT_EQ(parse_plan_file(json.dump(), "p.json").size(), 2U);
}

TEST(PlanFile, WhatIsWrongIsNamed) {
  const ordered_json good = parse_json(plan_file_text(plan_of({})));
  const auto changed = [&](const char* pointer, const ordered_json& value) {
    ordered_json json = good;
    json[ordered_json::json_pointer(pointer)] = value;
    return json.dump();
  };
  EXPECT_NE(error_of("{").find("byte 2"), std::string::npos);
  error_of("");
  error_of("[]");
  error_of("1e999");
  error_of(std::string(100000, '['));
  EXPECT_NE(error_of("{}").find("is no plan"), std::string::npos);
  EXPECT_NE(error_of(changed("/schema", 2), ErrorCategory::kUnsupported).find("schema 1"),
            std::string::npos);
  error_of(changed("/tensors", 3));
  error_of(changed("/tensors/0", "a"));
  error_of(changed("/tensors/0/name", 1));
  EXPECT_NE(error_of(changed("/tensors/0/name", "b")).find("tensor b twice"), std::string::npos);
  error_of(changed("/tensors/0/shape", {2, -3}));
  error_of(changed("/tensors/0/shape", {2, 1.5}));
  error_of(changed("/tensors/0/shape", {2, 18446744073709551615U}));
  error_of(changed("/tensors/0/shape", std::vector<int>(255, 1)));
  for (const ordered_json& bits : std::vector<ordered_json>{0, 33, -1, "4", 4.5, 1ULL << 40}) {
    EXPECT_NE(error_of(changed("/tensors/0/bits", bits)).find("tensor a/w"), std::string::npos);
  }
  error_of(changed("/tensors/0/scheme", "cubic"));
  error_of(changed("/tensors/0/scheme", "fixed-point"));
  error_of(changed("/tensors/0/granularity", "group:0"));
  error_of(changed("/tensors/0/range", "percentile:200"));
  error_of(changed("/tensors/0/axis", 1e3));
  EXPECT_NE(error_of(changed("/tensors/0/bit", 3), ErrorCategory::kUnsupported).find("\"bit\""),
            std::string::npos);
}

TEST(PlanFile, ACheckpointThatDoesNotFitIsExplained) {
  const auto entries = parse_plan_file(plan_file_text(plan_of({})), "p.json");
  const MemoryReader other({memory_tensor("a/w", DType::kFloat32, {3, 2}, std::vector<float>(6, 1)),
                            memory_tensor("c", DType::kFloat32, {1}, std::vector<float>{1})});
  try {
    make_plan(entries, other);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUsage);
    const std::string text = error.what();
    EXPECT_NE(text.find("a/w has shape [3, 2], in the plan [2, 3]"), std::string::npos) << text;
    EXPECT_NE(text.find("b is missing"), std::string::npos) << text;
  }
  const MemoryReader integers(
      {memory_tensor("a/w", DType::kInt64, {2, 3}, std::vector<std::int64_t>(6, 1)),
       memory_tensor("b", DType::kFloat32, {3}, std::vector<float>{1, 2, 4})});
  EXPECT_THROW(make_plan(entries, integers), Error);
}

TEST(PlanFile, NamesThatAreNotUtf8AreRefused) {
  BitAllocation plan = plan_of({});
  plan.tensors[0].info.name = "\xff";
  EXPECT_THROW(plan_file_text(plan), Error);
}

}  // namespace
}  // namespace narrow
