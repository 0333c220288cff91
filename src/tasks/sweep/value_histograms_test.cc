#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "checkpoint/testing/memory_checkpoint.h"
#include "narrow/error.h"
#include "narrow/sweep_histograms.h"

namespace narrow {
namespace {

std::vector<float> ramp(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(i) / static_cast<float>(count - 1);
  }
  return values;
}

// Rounding may move a value over the edge of a bin.
bool is_about(std::uint64_t found, std::uint64_t expected) {
  return std::max(found, expected) - std::min(found, expected) <= 4;
}

TEST(ValueHistograms, CountOriginalAndRestoredValues) {
  constexpr std::size_t kCount = 400000;  // more than a piece
  const MemoryReader reader({memory_tensor("w", DType::kFloat32, {kCount}, ramp(kCount))});
  const std::vector<Scheme> schemes = {{SchemeKind::kBin, 2, {}, {}},
                                       {SchemeKind::kFixedPoint, 1, {}, {}}};
  const ValueHistograms found = value_histograms(reader, 0, schemes, 16);
  EXPECT_EQ(found.lo, 0);
  EXPECT_EQ(found.hi, 1);
  for (const std::uint64_t count : found.original)
    EXPECT_TRUE(is_about(count, kCount / 16)) << count;
  // The centres 1/8, 3/8, 5/8, 7/8.
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_TRUE(is_about(found.restored[0][i], i % 4 == 2 ? kCount / 4 : 0)) << i;
  }
  // 0 and 1; 1 is counted in the last bin.
  EXPECT_EQ(found.restored[1].front() + found.restored[1].back(), kCount);
  EXPECT_TRUE(is_about(found.restored[1].front(), kCount / 2));
}

TEST(ValueHistograms, ConstantEmptyAndNotFinite) {
  const MemoryReader reader(
      {memory_tensor("c", DType::kFloat32, {3}, std::vector<float>{2, 2, 2}),
       memory_tensor("e", DType::kFloat32, {0}, std::vector<float>{}),
       memory_tensor("n", DType::kFloat32, {1},
                     std::vector<float>{std::numeric_limits<float>::infinity()})});
  const Scheme scheme;
  const auto of = [&](std::size_t index) {
    return value_histograms(reader, index, std::span(&scheme, 1), 4);
  };
  EXPECT_EQ(of(0).original, (std::vector<std::uint64_t>{3, 0, 0, 0}));
  EXPECT_EQ(of(1).original, std::vector<std::uint64_t>(4));
  EXPECT_THROW(of(2), Error);
}

TEST(TellingTensors, AreTheLargestAndTheWorst) {
  std::vector<float> spiked(64, 0.01F);
  spiked[3] = 1;
  const MemoryReader reader({memory_tensor("large", DType::kFloat32, {10, 100}, ramp(1000)),
                             memory_tensor("worst", DType::kFloat32, {8, 8}, spiked),
                             memory_tensor("bias", DType::kFloat32, {64}, spiked)});
  const Scheme scheme{SchemeKind::kBin, 3, {}, {}};
  const std::vector<std::size_t> indices = {2, 1, 0};
  const SweepResult result = sweep_errors(reader, indices, std::span(&scheme, 1), {});
  EXPECT_EQ(telling_tensors(result, 0), (std::vector<std::size_t>{2, 1}));
  EXPECT_TRUE(telling_tensors({}, 0).empty());
}

}  // namespace
}  // namespace narrow
