#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"
#include "checkpoint/testing/memory_checkpoint.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/quantize_checkpoint.h"
#include "narrow/sweep.h"
#include "packed/checkpoint_digest.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

template <typename T>
std::vector<T> normal_values(std::size_t count, const char* name) {
  RandomStream stream(3, name);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(stream.normal());
  return values;
}

// Several pieces, other types, an empty tensor, a scalar, and what is not measured.
std::vector<MemoryTensor> tensors() {
  std::vector<MemoryTensor> list;
  list.push_back(memory_tensor("a/weights", DType::kFloat32, {3, 1000, 257},
                               normal_values<float>(771000, "a")));
  list.push_back(
      memory_tensor("b/weights", DType::kFloat64, {11, 30}, normal_values<double>(330, "b")));
  list.push_back(memory_tensor("c/empty", DType::kFloat32, {0, 4}, std::vector<float>{}));
  list.push_back(memory_tensor("d/scalar", DType::kFloat32, {}, std::vector<float>{-2.5F}));
  list.push_back(memory_tensor("global_step", DType::kInt64, {}, std::vector<std::int64_t>{12}));
  list.push_back({{"names", DType::kString, {2}}, {}, {"x", "yy"}});
  return list;
}

// Every kind, several widths, three granularities, decimal scaling.
std::vector<Scheme> schemes() {
  std::vector<Scheme> list;
  for (const char* granularity : {"tensor", "channel", "group:48"}) {
    for (const auto kind :
         {SchemeKind::kBin, SchemeKind::kFixedPoint, SchemeKind::kAffine, SchemeKind::kSymmetric}) {
      for (const int bits : {2, 5, 16}) {
        Scheme scheme{kind, bits, Scaling::kBinary, parse_granularity(granularity)};
        list.push_back(scheme);
        scheme.scaling = Scaling::kDecimal;
        if (kind == SchemeKind::kFixedPoint) list.push_back(scheme);
      }
    }
  }
  return list;
}

// With pieces that end within a leaf, and when each scheme needs a scan of its own.
TEST(SweepErrors, DigestsAreThoseOfTheCheckpoint) {
  const MemoryReader reader(tensors());
  const std::string expected = checkpoint_digest(reader);
  for (const char* granularity : {"tensor", "group:48"}) {
    std::vector<Scheme> list(2);
    list.front().granularity = parse_granularity(granularity);
    const SweepResult result =
        sweep_errors(reader, selected_indices(reader, {}), list, {.digests = true});
    TensorDigests known(reader.tensors().size());
    for (const TensorSweep& tensor : result.tensors) known[tensor.index] = tensor.digest.value();
    EXPECT_EQ(checkpoint_digest(reader, known, 1), expected) << granularity;
    known[0] = Digest128{};
    EXPECT_NE(checkpoint_digest(reader, known, 1), expected);
  }
}

TEST(SweepErrors, AreThoseOfQuantizeCheckpointToTheBitForAnyThreads) {
  const MemoryReader reader(tensors());
  const std::vector<Scheme> list = schemes();
  const auto indices = selected_indices(reader, {});
  ASSERT_EQ(indices, (std::vector<std::size_t>{0, 1, 2, 3}));
  for (const int threads : {1, 3}) {
    const SweepResult result = sweep_errors(reader, indices, list, {}, {.threads = threads});
    ASSERT_EQ(result.tensors.size(), indices.size());
    EXPECT_EQ(result.copied, 2U);
    EXPECT_EQ(result.copied_bytes, 8U);
    for (std::size_t s = 0; s < list.size(); ++s) {
      NullWriter nowhere;
      const QuantizeResult expected =
          quantize_checkpoint(reader, make_plan(reader, list[s], {}), {}, nowhere);
      for (std::size_t i = 0; i < indices.size(); ++i) {
        const SchemeCost& cost = result.tensors[i].costs.at(s);
        EXPECT_TRUE(same_bits(cost.errors, expected.tensors[i].errors))
            << scheme_text(list[s]) << " " << result.tensors[i].info.name;
        EXPECT_EQ(cost.blocks, expected.tensors[i].blocks);
      }
      const SchemeSummary summary = result.summary(s);
      EXPECT_TRUE(same_bits(summary.errors.pooled, expected.summary.pooled));
      EXPECT_EQ(summary.errors.mean_relative_l2, expected.summary.mean_relative_l2);
      EXPECT_EQ(summary.errors.min_relative_l2, expected.summary.min_relative_l2);
      EXPECT_EQ(summary.errors.max_relative_l2, expected.summary.max_relative_l2);
    }
  }
}

TEST(SweepErrors, LargeTensorsInARowHaveTheirOwnRanges) {
  std::vector<MemoryTensor> list;
  for (const std::int64_t rows : {300, 10, 500, 400}) {
    const auto count = static_cast<std::size_t>(rows * 1000);
    list.push_back(memory_tensor(std::to_string(rows), DType::kFloat32, {rows, 1000},
                                 normal_values<float>(count, "row")));
    for (std::byte& byte : list.back().bytes) byte ^= std::byte(rows / 100);
  }
  const MemoryReader reader(list);
  const std::vector<Scheme> some = {
      {SchemeKind::kBin, 4, Scaling::kBinary, {}},
      {SchemeKind::kBin, 6, Scaling::kBinary, {}},
      {SchemeKind::kAffine, 4, Scaling::kBinary, parse_granularity("group:64")}};
  const SweepResult result = sweep_errors(reader, selected_indices(reader, {}), some, {}, {});
  for (std::size_t s = 0; s < some.size(); ++s) {
    NullWriter nowhere;
    const QuantizeResult expected =
        quantize_checkpoint(reader, make_plan(reader, some[s], {}), {}, nowhere);
    for (std::size_t i = 0; i < list.size(); ++i) {
      EXPECT_TRUE(same_bits(result.tensors[i].costs.at(s).errors, expected.tensors[i].errors));
    }
  }
}

TEST(SweepErrors, SizesCountCodesAndParameters) {
  const MemoryReader reader(tensors());
  Scheme scheme{SchemeKind::kBin, 3, Scaling::kBinary, parse_granularity("group:48")};
  const std::vector<std::size_t> indices = {1, 3};
  const SweepResult result = sweep_errors(reader, indices, std::span(&scheme, 1), {});
  EXPECT_EQ(result.tensors[0].costs[0].blocks, 7U);
  EXPECT_EQ(result.tensors[0].costs[0].code_bits, 992U) << "330 * 3 = 990, whole bytes";
  EXPECT_EQ(result.tensors[0].costs[0].parameter_bits, 7U * 64);
  const SchemeSummary summary = result.summary(0);
  EXPECT_EQ(summary.bits, 992U + 7 * 64 + 8 + 64);
  EXPECT_EQ(summary.elements, 331U);
  EXPECT_EQ(summary.input_bytes, 330U * 8 + 4);
  EXPECT_DOUBLE_EQ(summary.bits_per_weight(), 1512 / 331.0);
  EXPECT_DOUBLE_EQ(summary.ratio(), 2644 / 189.0);
}

TEST(SweepErrors, NonFiniteTensorsStopOrAreLeftOut) {
  auto list = tensors();
  list.push_back(memory_tensor("nan", DType::kFloat32, {2},
                               std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}));
  const MemoryReader reader(std::move(list));
  const Scheme scheme;
  const auto indices = selected_indices(reader, {});
  const auto sweep = [&](NonFinitePolicy policy) {
    return sweep_errors(reader, indices, std::span(&scheme, 1), {.non_finite = policy});
  };
  EXPECT_THROW(sweep(NonFinitePolicy::kError), Error);
  const SweepResult result = sweep(NonFinitePolicy::kKeep);
  EXPECT_EQ(result.tensors.back().non_finite, 1U);
  EXPECT_TRUE(result.tensors.back().costs.empty());
  EXPECT_EQ(result.summary(0).errors.quantized, 4U);
  EXPECT_THROW(sweep_errors(reader, indices, {}, {}), Error);
}

class ByteCounter : public Observer {
 public:
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override {
    EXPECT_GE(done, last);
    last = done;
    EXPECT_EQ(total, 771000U * 4 + 330 * 8 + 4);
    EXPECT_EQ(unit, ProgressUnit::kBytes);
    return true;
  }
  std::uint64_t last = 0;
};

TEST(SweepErrors, ProgressEndsAtTheTotal) {
  const MemoryReader reader(tensors());
  ByteCounter counter;
  sweep_errors(reader, selected_indices(reader, {}), schemes(), {}, {.observer = &counter});
  EXPECT_EQ(counter.last, 771000U * 4 + 330 * 8 + 4);
}

TEST(SweepErrors, TheObserverCanStopIt) {
  class Stopper : public Observer {
   public:
    bool on_progress(std::uint64_t, std::uint64_t, ProgressUnit) override { return false; }
  };
  const MemoryReader reader(tensors());
  Stopper stopper;
  try {
    sweep_errors(reader, selected_indices(reader, {}), schemes(), {}, {.observer = &stopper});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kInterrupted);
  }
}

}  // namespace
}  // namespace narrow
