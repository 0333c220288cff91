#include "narrow/convert_checkpoint.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/random.h"
#include "checkpoint/testing/flat_checkpoint.h"
#include "checkpoint/testing/memory_checkpoint.h"
#include "tasks/convert/cast_elements.h"
#include "tasks/convert/weight_layout.h"

namespace narrow {
namespace {

using Names = std::vector<std::string>;

MemoryTensor floats(const std::string& name, Shape shape, std::vector<float> values = {}) {
  values.resize(element_count(shape));
  return memory_tensor(name, DType::kFloat32, std::move(shape), values);
}

MemoryTensor counted(const std::string& name, Shape shape) {
  std::vector<float> values(element_count(shape));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return floats(name, std::move(shape), values);
}

std::vector<MemoryTensor> converted(const CheckpointReader& reader, const ConvertOptions& options,
                                    int threads = 2) {
  MemoryWriter writer;
  convert_checkpoint(reader, plan_conversion(reader, options), writer, {.threads = threads});
  return writer.tensors;
}

Names names_of(const std::vector<MemoryTensor>& tensors) {
  Names names;
  for (const MemoryTensor& tensor : tensors) names.push_back(tensor.info.name);
  return names;
}

std::vector<float> values_of(const MemoryTensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

void expect_refused(ErrorCategory category, const std::string& part, const CheckpointReader& reader,
                    const ConvertOptions& options) {
  expect_error(category, part, [&] { plan_conversion(reader, options); });
}

// Tensors of any type and shape whose values are bytes that nobody may look at.
std::vector<MemoryTensor> any_tensors(RandomStream& random) {
  constexpr std::array kTypes = {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kInt64,
                                 DType::kUInt8};
  std::vector<MemoryTensor> tensors;
  for (int i = 0; i < 8; ++i) {
    MemoryTensor tensor;
    tensor.info.name = fmt::format("layer{}/{}", i, random.below(2) == 0 ? "w" : "b");
    tensor.info.dtype = kTypes[random.below(kTypes.size())];
    for (auto rank = random.below(5); rank > 0; --rank) {
      tensor.info.shape.push_back(static_cast<std::int64_t>(random.below(4)));
    }
    tensor.bytes.resize(tensor.info.byte_size());
    for (std::byte& byte : tensor.bytes) byte = static_cast<std::byte>(random.below(256));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

// Through every container that is written from tensors alone and holds all of these types.
TEST(ConvertCheckpoint, ThereAndBackIsTheSame) {
  RandomStream random(1, "convert");
  for (const CheckpointFormat format :
       {CheckpointFormat::kTensorFlowV2, CheckpointFormat::kSafetensors, CheckpointFormat::kNpz,
        CheckpointFormat::kSafetensorsShards}) {
    const TempFolder folder;
    const auto tensors = any_tensors(random);
    const CheckpointLocation there{format, folder / "m.safetensors.index.json"};
    const auto writer = create_checkpoint(there, Overwrite::kNo);
    const MemoryReader reader(tensors);
    convert_checkpoint(reader, plan_conversion(reader, {.renames = {{"/", "."}}}), *writer);
    writer->finish();
    const auto result = open_checkpoint(there.path);
    ASSERT_TRUE(result->find("layer0." + tensors[0].info.name.substr(7)));
    const MemoryReader back(converted(*result, {.renames = {{"\\.", "/"}}}));
    ASSERT_EQ(back.tensors().size(), tensors.size());
    for (const MemoryTensor& tensor : tensors) {
      const auto found = back.find(tensor.info.name);
      ASSERT_TRUE(found && back.tensors()[*found].same_tensor(tensor.info));
      std::vector<std::byte> values(tensor.bytes.size());
      back.read(*found, values);
      EXPECT_EQ(values, tensor.bytes);
    }
  }
}

TEST(ConvertCheckpoint, RenamesByATableAndThenByRules) {
  const MemoryReader reader(
      {floats("a/conv/weights", {1}), floats("a/conv/biases", {1}), floats("fixed/weights", {1})});
  ConvertOptions options;
  options.names = {{"fixed/weights", "kept/weights"}, {"absent", "x"}};
  options.renames = {parse_rename_rule("^a/=>net/"),
                     parse_rename_rule("(.*)/weights$=>$1.$$weight"), parse_rename_rule("/=>\\"),
                     parse_rename_rule("nothing=>x")};
  EXPECT_EQ(names_of(converted(reader, options)),
            (Names{"net\\conv.$weight", "net\\conv\\biases", "kept/weights"}));
  const ConvertPlan plan = plan_conversion(reader, options);
  ASSERT_EQ(plan.notes.size(), 2U);
  EXPECT_NE(plan.notes[0].find("'nothing'"), std::string::npos);
  EXPECT_NE(plan.notes[1].find("absent"), std::string::npos);
}

TEST(ConvertCheckpoint, WrongRulesAreRefused) {
  for (const std::string rule : {"abc", "=>x", "(=>x", "a=>$1", "a=>$", "a=>$x"}) {
    SCOPED_TRACE(rule);
    expect_error(ErrorCategory::kUsage, "", [&] { parse_rename_rule(rule); });
  }
  const MemoryReader reader({floats("a", {1}), floats("b", {1})});
  expect_refused(ErrorCategory::kUsage, "a and b would both be called x", reader,
                 {.renames = {{"[ab]", "x"}}});
  expect_refused(ErrorCategory::kUsage, "0 bytes", reader, {.renames = {{"a", ""}}});
  ConvertOptions doubling;
  for (int i = 0; i < 20; ++i) doubling.renames.push_back({"(.+)", "$1$1"});
  expect_refused(ErrorCategory::kUsage, "131072 bytes", reader, doubling);
}

// A pattern for which others need a time that is exponential in the length of the name.
TEST(ConvertCheckpoint, NoPatternTakesLong) {
  const MemoryReader reader({floats(std::string(8000, 'a'), {1})});
  EXPECT_EQ(plan_conversion(reader, {.renames = {{"(a+)+b", "x"}}}).notes.size(), 1U);
}

TEST(ConvertCheckpoint, ReadsATableOfNames) {
  const TempFolder folder;
  put_file(folder / "t", "a\tb\r\n\n#c\td e\n");
  EXPECT_EQ(read_name_table(folder / "t"),
            (std::map<std::string, std::string>{{"a", "b"}, {"#c", "d e"}}));
  for (const std::string line : {"a", "a\t", "\tb", "a\tb\tc", "x\ty\nx\tz"}) {
    put_file(folder / "t", line);
    expect_error(ErrorCategory::kCorrupt, "line ", [&] { read_name_table(folder / "t"); });
  }
}

TEST(ConvertCheckpoint, LeavesOutWhatIsNotWanted) {
  const MemoryReader reader({floats("w/kernel", {2}), floats("w/kernel/Momentum", {2}),
                             floats("bn/moving_mean", {2}), floats("b/bias", {2}),
                             memory_tensor<std::int64_t>("global_step", DType::kInt64, {}, {3})});
  EXPECT_EQ(names_of(converted(reader, {.drop_training_state = true})),
            (Names{"w/kernel", "bn/moving_mean", "b/bias"}));
  EXPECT_EQ(names_of(converted(reader, {.include = {"w/*", "b/*"}, .exclude = {"*/Momentum"}})),
            (Names{"w/kernel", "b/bias"}));
  expect_refused(ErrorCategory::kNotFound, "'x*'", reader, {.include = {"x*"}});
  expect_refused(ErrorCategory::kNotFound, "'x*'", reader, {.exclude = {"x*"}});
  expect_refused(ErrorCategory::kUsage, "none of the 5", reader, {.exclude = {"*"}});
  expect_refused(ErrorCategory::kUsage, "moving_averages", reader, {.moving_averages = true});
}

TEST(ConvertCheckpoint, AveragesTakeThePlacesOfTheirVariables) {
  const std::string average = "/ExponentialMovingAverage";
  const MemoryReader reader(
      {floats("w", {1}, {1}), floats("w" + average, {1}, {2}), floats("bn/moving_mean", {1}, {3}),
       floats("bn/moving_mean" + average, {1}, {4}), floats("alone", {1}, {5})});
  const auto tensors = converted(reader, {.moving_averages = true});
  EXPECT_EQ(names_of(tensors), (Names{"w", "bn/moving_mean", "alone"}));
  EXPECT_EQ(values_of(tensors[0])[0], 2);
  EXPECT_EQ(values_of(tensors[1])[0], 4);
  EXPECT_EQ(values_of(tensors[2])[0], 5);
  const auto without = converted(reader, {.drop_training_state = true});
  EXPECT_EQ(names_of(without), (Names{"w", "bn/moving_mean", "alone"}));
  EXPECT_EQ(values_of(without[0])[0], 1);
}

TEST(ConvertCheckpoint, CastsFloatingPointOnly) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<MemoryTensor> tensors = {
      floats("f", {5}, {1.5F, -65519.0F, 65520.0F, infinity, 0x1p-25F}),
      memory_tensor<std::int64_t>("i", DType::kInt64, {}, {3})};
  tensors.push_back({{"s", DType::kString, {2}}, {}, {"x", "yy"}});
  const MemoryReader reader(tensors);
  MemoryWriter writer;
  EXPECT_EQ(convert_checkpoint(reader, plan_conversion(reader, {.cast = DType::kFloat16}), writer),
            1U);
  EXPECT_EQ(writer.tensors[0].info.dtype, DType::kFloat16);
  const std::vector<std::uint16_t> expected = {0x3e00, 0xfbff, 0x7c00, 0x7c00, 0};
  EXPECT_EQ(writer.tensors[0].bytes.size(), 10U);
  EXPECT_EQ(std::memcmp(writer.tensors[0].bytes.data(), expected.data(), 10), 0);
  EXPECT_EQ(writer.tensors[1].bytes, tensors[1].bytes);
  EXPECT_EQ(writer.tensors[2].strings, tensors[2].strings);
}

// Every bfloat16 and float16 through a wider type, and the values half-way between them.
TEST(CastElements, RoundsOnceToTheNearest) {
  for (const DType small : {DType::kFloat16, DType::kBFloat16}) {
    std::vector<std::uint16_t> codes(65536);
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint16_t>(i);
    std::vector<std::byte> wide;
    std::vector<std::byte> back;
    const auto bytes = std::as_bytes(std::span(codes));
    for (const DType large : {DType::kFloat32, DType::kFloat64}) {
      EXPECT_EQ(cast_elements(small, bytes, large, wide), 0U);
      EXPECT_EQ(cast_elements(large, wide, small, back), 0U);
      const std::uint32_t infinity = small == DType::kFloat16 ? 0x7c00 : 0x7f80;
      for (std::size_t i = 0; i < codes.size(); ++i) {
        if ((i & 0x7fff) > infinity) continue;  // NaN
        ASSERT_EQ(load_le<std::uint16_t>(back.data() + 2 * i), i);
      }
    }
    ASSERT_EQ(wide.size(), 65536 * sizeof(double));
    for (std::size_t i = 1; i + 1 < (small == DType::kFloat16 ? 0x7c00U : 0x7f80U); ++i) {
      const auto value = [&](std::size_t at) {
        return std::bit_cast<double>(load_le<std::uint64_t>(wide.data() + 8 * at));
      };
      const std::vector<double> middle = {(value(i) + value(i + 1)) / 2};
      cast_elements(DType::kFloat64, std::as_bytes(std::span(middle)), small, back);
      ASSERT_EQ(load_le<std::uint16_t>(back.data()), i + (i & 1));
    }
  }
}

TEST(CastElements, WhatIsBeyondTheRangeIsInfiniteAndCounted) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> values = {1e300, -1e39, nan, 3.4e38};
  std::vector<std::byte> out;
  EXPECT_EQ(cast_elements(DType::kFloat64, std::as_bytes(std::span(values)), DType::kFloat32, out),
            2U);
  const auto* floats = reinterpret_cast<const float*>(out.data());
  EXPECT_TRUE(std::isinf(floats[0]) && std::isinf(floats[1]) && floats[1] < 0);
  EXPECT_TRUE(std::isnan(floats[2]));
  EXPECT_EQ(floats[3], 3.4e38F);
}

TEST(WeightLayout, ConvolutionsDenseAndDepthwiseKernels) {
  const MemoryReader reader({counted("conv/kernel", {2, 3, 4, 5}), counted("fc/weights", {3, 4}),
                             counted("d/depthwise_weights", {2, 2, 3, 2}),
                             counted("embedding/weight", {3, 4}), counted("conv/bias", {5})});
  const auto torch = converted(reader, {.layout = AxisOrder::kTorch});
  EXPECT_EQ(torch[0].info.shape, (Shape{5, 4, 2, 3}));
  EXPECT_EQ(torch[1].info.shape, (Shape{4, 3}));
  EXPECT_EQ(torch[2].info.shape, (Shape{6, 1, 2, 2}));
  EXPECT_EQ(torch[3].info.shape, (Shape{3, 4}));
  const auto stored = values_of(counted("", {2, 3, 4, 5}));
  const auto kernel = values_of(torch[0]);
  std::size_t at = 0;
  for (std::size_t o = 0; o < 5; ++o) {
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t y = 0; y < 2; ++y) {
        for (std::size_t x = 0; x < 3; ++x) {
          ASSERT_EQ(kernel[at++], stored[((y * 3 + x) * 4 + i) * 5 + o]);
        }
      }
    }
  }
  // Channel c with multiplier m is channel c * 2 + m.
  EXPECT_EQ(values_of(torch[2])[4 * 3], values_of(counted("", {24}))[3]);
}

RC_GTEST_PROP(WeightLayout, ThereAndBackIsTheSame, ()) {
  const auto rank = *rc::gen::inRange<std::size_t>(2, 6);
  auto shape = *rc::gen::container<Shape>(rank, rc::gen::inRange<std::int64_t>(0, 5));
  const bool depthwise = rank > 2 && *rc::gen::arbitrary<bool>();
  if (depthwise) shape.back() = 1;
  const auto tensor = counted(depthwise ? "d/depthwise_kernel" : "c/kernel", shape);
  const auto torch = converted(MemoryReader({tensor}), {.layout = AxisOrder::kTorch});
  const auto back = converted(MemoryReader(torch), {.layout = AxisOrder::kTensorFlow});
  RC_ASSERT(back[0].info.shape == shape);
  RC_ASSERT(back[0].bytes == tensor.bytes);
}

TEST(WeightLayout, AnyPartOfTheResultIsTheSame) {
  const Shape shape = {4, 3, 5};
  const std::vector<std::size_t> axes = {2, 1, 0};
  const auto tensor = counted("", shape);
  std::vector<std::byte> whole(tensor.bytes.size());
  permute(tensor.bytes, shape, axes, 4, 0, whole);
  for (std::size_t first = 0; first < 58; ++first) {
    std::vector<std::byte> part((60 - first) / 2 * 4);
    permute(tensor.bytes, shape, axes, 4, first, part);
    EXPECT_EQ(std::memcmp(part.data(), whole.data() + 4 * first, part.size()), 0);
  }
}

TEST(WeightLayout, SaysWhatItCannotKnow) {
  const MemoryReader reader({counted("a.weight", {3, 1, 2, 2})});
  const ConvertPlan plan = plan_conversion(reader, {.layout = AxisOrder::kTensorFlow});
  EXPECT_EQ(plan.tensors[0].after.shape, (Shape{2, 2, 1, 3}));
  EXPECT_EQ(plan.notes.size(), 1U);
  const auto renamed = converted(
      reader, {.renames = {{"weight", "depthwise_kernel"}}, .layout = AxisOrder::kTensorFlow});
  EXPECT_EQ(renamed[0].info.shape, (Shape{2, 2, 3, 1}));
}

TEST(FitInto, TakesWhatTheNetworkHas) {
  const MemoryReader source({floats("b", {2}, {1, 2}), floats("c", {1}), floats("a", {1})});
  MemoryTensor half = memory_tensor<std::uint16_t>("b", DType::kFloat16, {2}, {0, 0});
  const MemoryReader target({floats("a", {1}), floats("q", {7}), half});
  const ConvertPlan plan = fit_into(plan_conversion(source, {}), target);
  ASSERT_EQ(plan.tensors.size(), 2U);
  EXPECT_EQ(plan.tensors[0].after.name, "a");
  EXPECT_EQ(plan.tensors[1].after.dtype, DType::kFloat16);
  EXPECT_EQ(plan.notes.size(), 2U);
  expect_error(ErrorCategory::kNotFound, "rename them",
               [&] { fit_into(plan_conversion(source, {}), MemoryReader({floats("z", {1})})); });
  expect_error(ErrorCategory::kUnsupported, "tensor b is float32 [2], but",
               [&] { fit_into(plan_conversion(source, {}), MemoryReader({floats("b", {3})})); });
}

}  // namespace
}  // namespace narrow
