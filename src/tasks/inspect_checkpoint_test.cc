#include "narrow/inspect_checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "checkpoint/testing/memory_checkpoint.h"

namespace narrow {
namespace {

TEST(InspectCheckpoint, ListsWithoutReadingValues) {
  const MemoryReader reader(
      {memory_tensor("a", DType::kInt16, {2}, std::vector<std::int16_t>{1, 2}),
       {{"s", DType::kString, {2}}, {}, {"abc", ""}}});
  const auto tensors = inspect_checkpoint(reader, false);
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].bytes, 4u);
  EXPECT_EQ(tensors[1].bytes, 3u);
  EXPECT_FALSE(tensors[0].statistics.has_value());
}

TEST(InspectCheckpoint, StatisticsCoverTheFiniteValues) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const MemoryReader reader(
      {memory_tensor("a", DType::kFloat32, {5}, std::vector<float>{3, -4, 0, nan, -0.0F}),
       memory_tensor("empty", DType::kFloat32, {0}, std::vector<float>{}),
       memory_tensor("c", DType::kComplex64, {1}, std::vector<float>{1, -1})});
  const auto tensors = inspect_checkpoint(reader, true);
  const TensorStatistics& a = tensors[0].statistics.value();
  EXPECT_EQ(a.count, 4u);
  EXPECT_EQ(a.min, -4);
  EXPECT_EQ(a.max, 3);
  EXPECT_EQ(a.mean, -0.25);
  EXPECT_EQ(a.rms, 2.5);
  EXPECT_EQ(a.zeros, 2u);
  EXPECT_EQ(a.non_finite, 1u);
  EXPECT_EQ(tensors[1].statistics.value().count, 0u);
  EXPECT_EQ(tensors[2].statistics.value().count, 2u);
}

TEST(InspectCheckpoint, KnowsEveryNumberType) {
  using Bytes = std::vector<std::uint8_t>;
  const MemoryReader reader(
      {memory_tensor("e4m3", DType::kFloat8E4M3, {4}, Bytes{0x7e, 0xfe, 0x01, 0x7f}),
       memory_tensor("e5m2", DType::kFloat8E5M2, {4}, Bytes{0x7b, 0xbc, 0x7c, 0xfe}),
       memory_tensor("half", DType::kFloat16, {2}, std::vector<std::uint16_t>{0x3c00, 0xc000}),
       memory_tensor("bfloat", DType::kBFloat16, {2}, std::vector<std::uint16_t>{0x3f80, 0xc000}),
       memory_tensor("u64", DType::kUInt64, {1}, std::vector<std::uint64_t>{~0ULL}),
       memory_tensor("bool", DType::kBool, {2}, Bytes{0, 1})});
  const auto tensors = inspect_checkpoint(reader, true);
  EXPECT_EQ(tensors[0].statistics->max, 448);
  EXPECT_EQ(tensors[0].statistics->min, -448);
  EXPECT_EQ(tensors[0].statistics->non_finite, 1u);
  EXPECT_EQ(tensors[1].statistics->max, 57344);
  EXPECT_EQ(tensors[1].statistics->min, -1);
  EXPECT_EQ(tensors[1].statistics->non_finite, 2u);
  EXPECT_EQ(tensors[2].statistics->min, -2);
  EXPECT_EQ(tensors[3].statistics->max, 1);
  EXPECT_EQ(tensors[4].statistics->max, 0x1p64);
  EXPECT_EQ(tensors[5].statistics->zeros, 1u);
}

}  // namespace
}  // namespace narrow
