#include "narrow/quantize_checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "checkpoint/testing/memory_checkpoint.h"

namespace narrow {
namespace {

std::vector<float> normal_values(std::size_t count, const char* name) {
  RandomStream stream(1, name);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(stream.normal());
  return values;
}

// More than one piece, a small one, an empty one, a scalar, integers and strings.
std::vector<MemoryTensor> mixed_tensors() {
  std::vector<MemoryTensor> tensors;
  tensors.push_back(
      memory_tensor("a/weights", DType::kFloat32, {3, 1000, 257}, normal_values(771000, "a")));
  tensors.push_back(memory_tensor("b/weights", DType::kFloat32, {10, 30}, normal_values(300, "b")));
  tensors.push_back(memory_tensor("c/empty", DType::kFloat32, {0, 4}, std::vector<float>{}));
  tensors.push_back(memory_tensor("d/scalar", DType::kFloat32, {}, std::vector<float>{-2.5F}));
  tensors.push_back(memory_tensor("global_step", DType::kInt64, {}, std::vector<std::int64_t>{12}));
  tensors.push_back({{"names", DType::kString, {2}}, {}, {"x", "yy"}});
  return tensors;
}

std::span<const float> floats(const MemoryTensor& tensor) {
  return {reinterpret_cast<const float*>(tensor.bytes.data()), tensor.bytes.size() / sizeof(float)};
}

Scheme scheme_of(SchemeKind kind, int bits) {
  Scheme scheme;
  scheme.kind = kind;
  scheme.bits = bits;
  return scheme;
}

TEST(QuantizeCheckpoint, RestoresWhatTheArrayFunctionsRestore) {
  const MemoryReader reader(mixed_tensors());
  const Scheme scheme = scheme_of(SchemeKind::kBin, 5);
  MemoryWriter writer;
  const QuantizeResult result =
      quantize_checkpoint(reader, make_plan(reader, scheme, {}), {}, writer);
  ASSERT_EQ(writer.tensors.size(), 6u);
  const auto original = mixed_tensors();
  for (std::size_t i = 0; i < 4; ++i) {
    const auto values = floats(original[i]);
    std::vector<float> expected(values.size());
    const BlockParams params = fit(values, scheme);
    round_trip(values, scheme, params, expected);
    const auto restored = floats(writer.tensors[i]);
    EXPECT_TRUE(std::equal(restored.begin(), restored.end(), expected.begin(), expected.end()))
        << original[i].info.name;
    EXPECT_TRUE(result.tensors[i].quantized);
    EXPECT_EQ(result.tensors[i].errors.count, values.size());
  }
  EXPECT_EQ(writer.tensors[4].bytes, original[4].bytes);
  EXPECT_EQ(writer.tensors[5].strings, original[5].strings);
  EXPECT_EQ(result.summary.quantized, 4u);
  EXPECT_EQ(result.summary.copied, 2u);
  EXPECT_FALSE(writer.finished) << "finishing is the caller's";
}

// A tensor that is kept after the pass for its range, and one that is too large for that.
TEST(QuantizeCheckpoint, LargeTensorsRestoreOrStayAsTheyAre) {
  for (const std::int64_t elements : {2'000'001, 4'000'001}) {
    auto values = normal_values(static_cast<std::size_t>(elements), "large");
    const Scheme scheme = scheme_of(SchemeKind::kBin, 5);
    QuantizeOptions options;
    options.non_finite = NonFinitePolicy::kKeep;
    for (const bool has_nan : {false, true}) {
      if (has_nan) values.back() = std::numeric_limits<float>::quiet_NaN();
      const MemoryTensor tensor = memory_tensor("large", DType::kFloat32, {elements}, values);
      const MemoryReader reader({tensor});
      MemoryWriter writer;
      quantize_checkpoint(reader, make_plan(reader, scheme, {}), options, writer);
      if (has_nan) {
        EXPECT_EQ(writer.tensors[0].bytes, tensor.bytes);
      } else {
        std::vector<float> expected(values.size());
        round_trip(values, scheme, fit(values, scheme), expected);
        EXPECT_TRUE(std::ranges::equal(floats(writer.tensors[0]), expected));
      }
    }
  }
}

// The ranges of a large tensor are found while the one before it is restored.
TEST(QuantizeCheckpoint, LargeTensorsInARowHaveTheirOwnRanges) {
  const std::int64_t elements = 3'200'000;
  std::vector<MemoryTensor> tensors;
  for (const float factor : {1.0F, 3.0F, 0.1F}) {
    auto values = normal_values(static_cast<std::size_t>(elements), "row");
    for (float& value : values) value *= factor;
    const std::string name = std::to_string(factor);
    tensors.push_back(memory_tensor(name, DType::kFloat32, {elements}, values));
    values.resize(100);
    tensors.push_back(memory_tensor(name + ".small", DType::kFloat32, {100}, values));
  }
  const MemoryReader reader(tensors);
  const Scheme scheme = scheme_of(SchemeKind::kBin, 5);
  QuantizePlan plan = make_plan(reader, scheme, {});
  plan[2].scheme.reset();
  MemoryWriter writer;
  QuantizeOptions options;
  options.all_params = false;
  const QuantizeResult result = quantize_checkpoint(reader, plan, options, writer);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto values = floats(tensors[i]);
    std::vector<float> expected(values.begin(), values.end());
    if (i != 2) round_trip(values, scheme, fit(values, scheme), expected);
    EXPECT_TRUE(std::ranges::equal(floats(writer.tensors[i]), expected)) << i;
    EXPECT_EQ(result.tensors[i].params.size(), i == 2 ? 0U : 1U);
  }
}

TEST(QuantizeCheckpoint, SummaryFollowsFromTheTensors) {
  const MemoryReader reader(mixed_tensors());
  NullWriter writer;
  const QuantizeResult result = quantize_checkpoint(
      reader, make_plan(reader, scheme_of(SchemeKind::kBin, 4), {}), {}, writer);
  double sum = 0;
  double largest = 0;
  double d2 = 0;
  double x2 = 0;
  for (const TensorResult& tensor : result.tensors) {
    if (!tensor.quantized) continue;
    sum += tensor.errors.relative_l2();
    largest = std::max(largest, tensor.errors.relative_l2());
    d2 += tensor.errors.sum_d2;
    x2 += tensor.errors.sum_x2;
  }
  EXPECT_EQ(result.summary.min_relative_l2, 0) << "the scalar and the empty tensor are exact";
  EXPECT_EQ(result.summary.max_relative_l2, largest);
  EXPECT_EQ(result.summary.mean_relative_l2, sum / 4);
  EXPECT_DOUBLE_EQ(result.summary.pooled.relative_l2(), std::sqrt(d2) / std::sqrt(x2));
}

TEST(QuantizeCheckpoint, ThreadsDoNotChangeAnything) {
  const MemoryReader reader(mixed_tensors());
  for (const char* granularity : {"tensor", "channel", "group:7"}) {
    Scheme scheme = scheme_of(SchemeKind::kFixedPoint, 6);
    scheme.granularity = parse_granularity(granularity);
    const QuantizePlan plan = make_plan(reader, scheme, {});
    QuantizeOptions options;
    options.code_statistics = true;
    MemoryWriter one_writer;
    const QuantizeResult one =
        quantize_checkpoint(reader, plan, options, one_writer, {.threads = 1});
    MemoryWriter four_writer;
    const QuantizeResult four =
        quantize_checkpoint(reader, plan, options, four_writer, {.threads = 4});
    for (std::size_t i = 0; i < plan.size(); ++i) {
      EXPECT_EQ(one_writer.tensors[i].bytes, four_writer.tensors[i].bytes);
      EXPECT_EQ(one.tensors[i].errors.sum_d2, four.tensors[i].errors.sum_d2);
      EXPECT_EQ(one.tensors[i].errors.sum_xr, four.tensors[i].errors.sum_xr);
      EXPECT_EQ(one.tensors[i].codes_used, four.tensors[i].codes_used);
      EXPECT_EQ(one.tensors[i].entropy_bits, four.tensors[i].entropy_bits);
    }
  }
}

TEST(QuantizeCheckpoint, NonFiniteValuesStopOrAreKept) {
  auto values = normal_values(1000, "n");
  values[17] = std::numeric_limits<float>::quiet_NaN();
  values[400] = std::numeric_limits<float>::infinity();
  const MemoryReader reader(
      {memory_tensor("bad", DType::kFloat32, {1000}, values),
       memory_tensor("good", DType::kFloat32, {3}, std::vector<float>{1, 2, 3})});
  const QuantizePlan plan = make_plan(reader, scheme_of(SchemeKind::kBin, 8), {});
  try {
    NullWriter nowhere;
    quantize_checkpoint(reader, plan, {}, nowhere);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kNumeric);
    const std::string text = error.what();
    EXPECT_NE(text.find("bad has 2 NaN"), std::string::npos) << text;
    EXPECT_NE(text.find("index 17"), std::string::npos) << text;
  }
  QuantizeOptions options;
  options.non_finite = NonFinitePolicy::kKeep;
  MemoryWriter writer;
  const QuantizeResult result = quantize_checkpoint(reader, plan, options, writer);
  EXPECT_EQ(writer.tensors[0].bytes, memory_tensor("bad", DType::kFloat32, {1000}, values).bytes);
  EXPECT_EQ(result.tensors[0].non_finite, 2u);
  EXPECT_EQ(result.summary.kept_non_finite, 1u);
  EXPECT_EQ(result.summary.quantized, 1u);
}

TEST(QuantizeCheckpoint, TheObserverCanStopTheRun) {
  class Stopper : public QuantizeObserver {
   public:
    bool on_progress(std::uint64_t, std::uint64_t, ProgressUnit) override { return false; }
  };
  const MemoryReader reader(mixed_tensors());
  Stopper stopper;
  MemoryWriter writer;
  try {
    quantize_checkpoint(reader, make_plan(reader, scheme_of(SchemeKind::kBin, 8), {}), {}, writer,
                        {.observer = &stopper});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kInterrupted);
  }
  EXPECT_FALSE(writer.finished);
}

TEST(QuantizeCheckpoint, TellsBytesAndThenTensors) {
  class Recorder : public QuantizeObserver {
   public:
    bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override {
      EXPECT_GE(done, bytes);
      EXPECT_EQ(unit, ProgressUnit::kBytes);
      bytes = done;
      all_bytes = total;
      return true;
    }
    void on_tensor(const TensorResult& result, std::size_t done, std::size_t total) override {
      names.push_back(result.info.name);
      EXPECT_EQ(done, names.size());
      EXPECT_EQ(total, 6U);
    }
    std::uint64_t bytes = 0;
    std::uint64_t all_bytes = 0;
    std::vector<std::string> names;
  };
  const MemoryReader reader(mixed_tensors());
  Recorder recorder;
  NullWriter writer;
  quantize_checkpoint(reader, make_plan(reader, scheme_of(SchemeKind::kBin, 8), {}), {}, writer,
                      {.observer = &recorder});
  EXPECT_EQ(recorder.bytes, recorder.all_bytes);
  EXPECT_EQ(recorder.names.size(), 6U);
  EXPECT_EQ(recorder.names.front(), "a/weights");
}

TEST(QuantizeCheckpoint, ADryRunGivesTheSameResult) {
  const MemoryReader reader(mixed_tensors());
  const QuantizePlan plan = make_plan(reader, scheme_of(SchemeKind::kFixedPoint, 5), {});
  MemoryWriter writer;
  const QuantizeResult written = quantize_checkpoint(reader, plan, {}, writer);
  NullWriter nowhere;
  const QuantizeResult dry = quantize_checkpoint(reader, plan, {}, nowhere);
  ASSERT_EQ(dry.tensors.size(), written.tensors.size());
  for (std::size_t i = 0; i < plan.size(); ++i) {
    EXPECT_EQ(dry.tensors[i].quantized, written.tensors[i].quantized);
    EXPECT_EQ(dry.tensors[i].errors.sum_d2, written.tensors[i].errors.sum_d2);
    EXPECT_EQ(dry.tensors[i].errors.sum_xr, written.tensors[i].errors.sum_xr);
  }
  EXPECT_EQ(dry.summary.mean_relative_l2, written.summary.mean_relative_l2);
  EXPECT_EQ(dry.summary.input_bytes, written.summary.input_bytes);
}

TEST(QuantizeCheckpoint, CountsCodes) {
  const MemoryReader reader(
      {memory_tensor("x", DType::kFloat32, {4}, std::vector<float>{0, 0, 1, 1})});
  QuantizeOptions options;
  options.code_statistics = true;
  NullWriter writer;
  const QuantizeResult result = quantize_checkpoint(
      reader, make_plan(reader, scheme_of(SchemeKind::kBin, 3), {}), options, writer);
  EXPECT_EQ(result.tensors[0].codes_used, 2u);
  EXPECT_EQ(result.tensors[0].entropy_bits, 1.0);
}

}  // namespace
}  // namespace narrow
