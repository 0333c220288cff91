#include "narrow/float8_weights.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "checkpoint/testing/memory_checkpoint.h"
#include "narrow/error.h"
#include "narrow/selection.h"
#include "quant/kernels/half.h"
#include "stream/selection/float8_scales.h"
#include "stream/value_pieces.h"

namespace narrow {
namespace {

using Codes = std::vector<std::uint8_t>;

std::unique_ptr<CheckpointReader> restored(std::vector<MemoryTensor> tensors,
                                           std::optional<DType> cast = std::nullopt) {
  return restore_float8(
      std::make_unique<MemoryReader>(std::move(tensors), CheckpointFormat::kSafetensors), cast);
}

std::vector<double> values_of(const CheckpointReader& reader, const char* name) {
  ValuePieces pieces(reader, *reader.find(name));
  const auto values = pieces.next(1 << 20);
  return {values.begin(), values.end()};
}

Codes every_code() {
  Codes codes(256);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i);
  return codes;
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

// Every code of both types, times a scale whose products need rounding.
TEST(Float8Weights, EveryCodeIsRoundedOnce) {
  for (const DType stored : {DType::kFloat8E4M3, DType::kFloat8E5M2}) {
    for (const float scale : {1.0F, 0.1F, -3.1e-3F, 1e-38F, 7e35F}) {
      const std::vector<MemoryTensor> tensors = {
          memory_tensor("w", stored, {256}, every_code()),
          memory_tensor("w_scale_inv", DType::kFloat32, {}, std::vector<float>{scale})};
      const auto narrow16 = values_of(*restored(tensors), "w");
      const auto wide = values_of(*restored(tensors, DType::kFloat32), "w");
      for (std::size_t i = 0; i < 256; ++i) {
        const double value = float8_value(stored, static_cast<std::uint8_t>(i));
        const float product = static_cast<float>(value) * scale;
        EXPECT_TRUE(same(wide[i], product)) << i;
        if (std::isfinite(product) && std::fabs(product) < 3.3e38F) {
          EXPECT_EQ(narrow16[i], BFloat16::to_float(BFloat16::from_double(product))) << i;
        } else {
          EXPECT_EQ(std::isnan(narrow16[i]), std::isnan(product)) << i;
        }
      }
    }
  }
}

TEST(Float8Weights, ValuesOfTheTypes) {
  EXPECT_EQ(float8_value(DType::kFloat8E4M3, 0x7e), 448);
  EXPECT_TRUE(std::isnan(float8_value(DType::kFloat8E4M3, 0x7f)));
  EXPECT_TRUE(std::isnan(float8_value(DType::kFloat8E4M3, 0xff)));
  EXPECT_EQ(float8_value(DType::kFloat8E4M3, 0x01), 0x1p-9);
  EXPECT_EQ(float8_value(DType::kFloat8E5M2, 0x7b), 57344);
  EXPECT_EQ(float8_value(DType::kFloat8E5M2, 0xfc), -std::numeric_limits<double>::infinity());
}

// The scale of every element, one after another and by runs.
std::vector<std::uint64_t> scales_of(const Shape& weight, const Shape& scale) {
  const auto layout = Float8Scales::of_shapes(weight, scale);
  if (!layout) return {};
  std::vector<std::uint64_t> all;
  const std::uint64_t elements = element_count(weight);
  for (std::uint64_t i = 0; i < elements;) {
    const auto run = layout->run_at(i);
    EXPECT_GT(run.length, 0U);
    for (std::uint64_t end = std::min(elements - i, run.length) + i; i < end; ++i) {
      EXPECT_EQ(layout->run_at(i).scale, run.scale);
      all.push_back(run.scale);
    }
  }
  return all;
}

TEST(Float8Weights, ShapesTellWhichScaleCounts) {
  const std::vector<std::uint64_t> one(12, 0);
  EXPECT_EQ(scales_of({3, 4}, {}), one);
  EXPECT_EQ(scales_of({3, 4}, {1}), one);
  EXPECT_EQ(scales_of({3, 4}, {1, 1}), one);
  const std::vector<std::uint64_t> rows = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2};
  EXPECT_EQ(scales_of({3, 4}, {3}), rows);
  EXPECT_EQ(scales_of({3, 4}, {3, 1}), rows);
  EXPECT_EQ(scales_of({3, 2, 2}, {3, 1, 1}), rows);
  EXPECT_EQ(scales_of({2, 4}, {1, 2}), (std::vector<std::uint64_t>{0, 0, 1, 1, 0, 0, 1, 1}));
  EXPECT_EQ(scales_of({2, 4}, {2, 2}), (std::vector<std::uint64_t>{0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(scales_of({2, 2, 2}, {2, 1, 2}), (std::vector<std::uint64_t>{0, 1, 0, 1, 2, 3, 2, 3}));
}

TEST(Float8Weights, BlocksAreOf128UnlessShapesSayElse) {
  const auto usual = scales_of({200, 300}, {2, 3});
  ASSERT_EQ(usual.size(), 60000U);
  EXPECT_EQ(usual[127 * 300 + 127], 0U);
  EXPECT_EQ(usual[127 * 300 + 128], 1U);
  EXPECT_EQ(usual[128 * 300], 3U);
  EXPECT_EQ(usual[199 * 300 + 299], 5U);
  const auto equal = scales_of({16, 32}, {2, 4});
  EXPECT_EQ(equal[7 * 32 + 7], 0U);
  EXPECT_EQ(equal[8 * 32 + 8], 5U);
  const auto cut = scales_of({100, 70}, {4, 3});  // 32
  EXPECT_EQ(cut[31 * 70 + 32], 1U);
  EXPECT_EQ(cut[99 * 70 + 69], 11U);
}

TEST(Float8Weights, OtherShapesFitNoRule) {
  for (const Shape& scale : std::vector<Shape>{{2}, {4}, {5, 5}, {3, 4, 1}, {2, 1}, {0}}) {
    EXPECT_FALSE(Float8Scales::of_shapes({3, 4}, scale).has_value()) << to_string(scale);
  }
  EXPECT_FALSE(Float8Scales::of_shapes({}, {2}).has_value());
  EXPECT_FALSE(Float8Scales::of_shapes({600, 600}, {7, 5}).has_value());
  // Two parts of 160, or 256 and the rest.
  EXPECT_FALSE(Float8Scales::of_shapes({320, 320}, {2, 2}).has_value());
}

std::vector<MemoryTensor> mixed() {
  return {memory_tensor("a.weight", DType::kFloat8E4M3, {2, 2}, Codes{0x38, 0x40, 0xb8, 0x00}),
          memory_tensor("a.weight_scale", DType::kFloat32, {2, 1}, std::vector<float>{2, 3}),
          memory_tensor("a.input_scale", DType::kFloat32, {}, std::vector<float>{9}),
          memory_tensor("b.weight", DType::kFloat8E4M3, {3, 1}, Codes{1, 2, 3}),
          memory_tensor("b.weight_scale_inv", DType::kFloat32, {2}, std::vector<float>{1, 1}),
          memory_tensor("c.weight", DType::kFloat8E5M2, {1}, Codes{0x3c}),
          memory_tensor("bias", DType::kFloat32, {1}, std::vector<float>{5})};
}

TEST(Float8Weights, ScalesGoAndWhatFitsNoRuleStays) {
  const auto reader = restored(mixed());
  std::vector<std::string> names;
  for (const TensorInfo& tensor : reader->tensors()) names.push_back(tensor.name);
  EXPECT_EQ(names, (std::vector<std::string>{"a.weight", "a.input_scale", "b.weight",
                                             "b.weight_scale_inv", "c.weight", "bias"}));
  EXPECT_EQ(reader->tensors()[0].dtype, DType::kBFloat16);
  EXPECT_EQ(values_of(*reader, "a.weight"), (std::vector<double>{2, 4, -3, 0}));
  EXPECT_EQ(values_of(*reader, "bias"), (std::vector<double>{5}));
  EXPECT_EQ(reader->tensors()[2].dtype, DType::kFloat8E4M3);
  const auto summary = float8_summary(*reader);
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(describe(*summary),
            "1 float8 weight and 1 scale (12 bytes) restored as bfloat16 (8 bytes)");
  using enum CopyReason;
  EXPECT_EQ(copy_reasons(reader->tensors(), {}),
            (std::vector<CopyReason>{kNone, kScale, kFloat8, kScale, kFloat8, kNone}));
}

TEST(Float8Weights, ScalesMayBePowersOfTwo) {
  MemoryTensor scale = memory_tensor("w_scale", DType::kOpaque, {2, 1}, Codes{128, 126});
  scale.info.opaque = {OpaqueType::Family::kSafetensors, "F8_E8M0", 2};
  const auto reader =
      restored({memory_tensor("w", DType::kFloat8E4M3, {2, 1}, Codes{0x38, 0x40}), scale});
  EXPECT_EQ(values_of(*reader, "w"), (std::vector<double>{2, 1}));
}

TEST(Float8Weights, ACastRestoresWhatHasNoScale) {
  const auto reader = restored(mixed(), DType::kFloat32);
  EXPECT_EQ(reader->tensors()[4], (TensorInfo{"c.weight", DType::kFloat32, {1}}));
  EXPECT_EQ(values_of(*reader, "c.weight"), (std::vector<double>{1}));
  EXPECT_EQ(reader->tensors()[2].dtype, DType::kFloat8E4M3) << "its scale fits no rule";
  EXPECT_EQ(float8_summary(*reader)->weights, 2U);
}

TEST(Float8Weights, ReadsOfAnyLengthGiveTheSame) {
  const auto reader = restored(mixed());
  std::vector<std::byte> whole(8);
  reader->read(0, whole);
  for (const std::size_t step : {1U, 3U, 5U}) {
    std::vector<std::byte> pieces(8);
    const auto stream = reader->open(0);
    for (std::size_t at = 0; at < pieces.size(); at += step) {
      stream->read(std::span(pieces).subspan(at, std::min(step, pieces.size() - at)));
    }
    EXPECT_EQ(pieces, whole);
    std::byte more{};
    EXPECT_THROW(stream->read({&more, 1}), Error);
  }
}

TEST(Float8Weights, OtherReadersAreLeftAlone) {
  auto original = std::make_unique<MemoryReader>(std::vector<MemoryTensor>{
      memory_tensor("bias", DType::kFloat32, {1}, std::vector<float>{5})});
  const CheckpointReader* const before = original.get();
  const auto after = restore_float8(std::move(original), DType::kFloat32);
  EXPECT_EQ(after.get(), before);
  EXPECT_FALSE(float8_summary(*after).has_value());
}

TEST(Float8Weights, ScalesOfCodesAreNeverQuantized) {
  using enum CopyReason;
  const std::vector<TensorInfo> tensors = {
      {"q.qweight", DType::kInt32, {4, 8}},     {"q.scales", DType::kFloat16, {1, 8}},
      {"q.qzeros", DType::kInt32, {1, 1}},      {"i.weight", DType::kInt8, {8, 4}},
      {"i.weight_scale", DType::kFloat32, {8}}, {"i.SCB", DType::kFloat32, {8}},
      {"n.weight", DType::kUInt8, {16, 1}},     {"n.weight.absmax", DType::kFloat32, {4}},
      {"norm.weight", DType::kFloat32, {8}},    {"norm.scale", DType::kFloat32, {8}},
      {"logit_scale", DType::kFloat32, {8}}};
  EXPECT_EQ(copy_reasons(tensors, {}),
            (std::vector<CopyReason>{kType, kScale, kType, kType, kScale, kScale, kType, kScale,
                                     kNone, kNone, kNone}));
}

}  // namespace
}  // namespace narrow
