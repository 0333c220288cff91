#include "narrow/compare_checkpoints.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "checkpoint/testing/memory_checkpoint.h"

namespace narrow {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();

MemoryTensor floats(const char* name, std::vector<float> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return memory_tensor(name, DType::kFloat32, {size}, values);
}

TEST(CompareCheckpoints, EqualCheckpointsAreIdentical) {
  const MemoryReader reader({floats("a", {1, kNan, 3}), {{"s", DType::kString, {1}}, {}, {"x"}}});
  const auto result = compare_checkpoints(reader, reader);
  EXPECT_EQ(result.identical, 2u);
  EXPECT_EQ(result.max_relative_l2, 0);
  EXPECT_TRUE(result.same_names());
}

TEST(CompareCheckpoints, MeasuresWhatDiffers) {
  const MemoryReader a({floats("w", {3, 4}), floats("gone", {1})});
  const MemoryReader b({floats("w", {3, 4.5F}), floats("new", {1})});
  const auto result = compare_checkpoints(a, b);
  ASSERT_EQ(result.tensors.size(), 1u);
  EXPECT_EQ(result.tensors[0].relative_l2(), 0.1);
  EXPECT_EQ(result.max_relative_l2, 0.1);
  EXPECT_EQ(result.tensors[0].errors.max_abs_d, 0.5);
  EXPECT_EQ(result.only_reference, std::vector<std::string>{"gone"});
  EXPECT_EQ(result.only_other, std::vector<std::string>{"new"});
  EXPECT_FALSE(result.same_names());
}

TEST(CompareCheckpoints, NonFiniteDifferencesAreInfinitelyWrong) {
  const MemoryReader a({floats("w", {3, 4, kNan})});
  const MemoryReader b({floats("w", {3, 4, 1})});
  const auto result = compare_checkpoints(a, b);
  EXPECT_EQ(result.tensors[0].non_finite_differences, 1u);
  EXPECT_EQ(result.tensors[0].errors.sum_d2, 0);
  EXPECT_TRUE(std::isinf(result.max_relative_l2));
}

TEST(CompareCheckpoints, OtherTypesAreComparedByValueOtherShapesNotAtAll) {
  const MemoryReader a({floats("w", {1, 2}), floats("x", {1, 2})});
  const MemoryReader b({memory_tensor("w", DType::kFloat64, {2}, std::vector<double>{1, 2}),
                        memory_tensor("x", DType::kFloat32, {1, 2}, std::vector<float>{1, 2})});
  const auto result = compare_checkpoints(a, b);
  EXPECT_TRUE(result.tensors[0].comparable);
  EXPECT_FALSE(result.tensors[0].identical);
  EXPECT_EQ(result.tensors[0].relative_l2(), 0);
  EXPECT_FALSE(result.tensors[1].comparable);
  EXPECT_TRUE(std::isinf(result.tensors[1].relative_l2()));
}

TEST(CompareCheckpoints, PiecesOfManyTensorsAreAddedUpInOrder) {
  std::vector<float> values(200'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  std::vector<float> others = values;
  for (std::size_t i = 0; i < others.size(); i += 3) others[i] += 0.25F;
  std::vector<float> damaged = others;
  damaged[150'000] = kNan;
  const MemoryReader a({floats("a", values), floats("b", {1, 2}), floats("c", values)});
  const MemoryReader b({floats("c", damaged), floats("b", {1, 2}), floats("a", others)});
  const auto result = compare_checkpoints(a, b);
  ASSERT_EQ(result.tensors.size(), 3u);
  EXPECT_EQ(result.identical, 1u);
  ErrorSums expected;
  for (std::size_t begin = 0; begin < values.size(); begin += 65'536) {
    const std::size_t count = std::min<std::size_t>(65'536, values.size() - begin);
    expected.merge(measure_error(std::span<const float>(values).subspan(begin, count),
                                 std::span<const float>(others).subspan(begin, count)));
  }
  EXPECT_EQ(result.tensors[0].errors.sum_d2, expected.sum_d2);
  EXPECT_EQ(result.tensors[0].errors.sum_xr, expected.sum_xr);
  EXPECT_EQ(result.tensors[0].errors.max_abs_d, expected.max_abs_d);
  EXPECT_EQ(result.tensors[0].errors.count, values.size());
  EXPECT_EQ(result.tensors[0].non_finite_differences, 0u);
  EXPECT_EQ(result.tensors[2].non_finite_differences, 1u);
}

TEST(CompareCheckpoints, OtherNamesArePairedByShapeInTheirOrder) {
  const MemoryReader a({floats("conv1", {1, 2}), floats("same", {5, 5}), floats("conv2", {3, 4}),
                        floats("bias", {1, 2, 3}), floats("odd", {1}), floats("even", {2})});
  const MemoryReader b({floats("m.0", {1, 2}), floats("m.bias", {1, 2, 3}), floats("m.1", {3, 4}),
                        floats("same", {5, 5}), floats("one", {1})});
  const auto result = compare_checkpoints(a, b, TensorPairs::kNamesThenShapes);
  std::vector<std::string> names;
  for (const TensorComparison& tensor : result.tensors) {
    names.push_back(tensor.reference.name + "=" + tensor.other.name);
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"conv1=m.0", "same=same", "conv2=m.1", "bias=m.bias"}));
  EXPECT_EQ(result.identical, 4u);
  // Two of one shape against one: nothing says which.
  EXPECT_EQ(result.only_reference, (std::vector<std::string>{"odd", "even"}));
  EXPECT_EQ(result.only_other, std::vector<std::string>{"one"});
  EXPECT_TRUE(compare_checkpoints(a, b).only_other.size() == 4);
}

TEST(CompareCheckpoints, SignOfZeroIsADifferenceOfBytesOnly) {
  const MemoryReader a({floats("w", {0.0F, 1})});
  const MemoryReader b({floats("w", {-0.0F, 1})});
  const auto result = compare_checkpoints(a, b);
  EXPECT_FALSE(result.tensors[0].identical);
  EXPECT_EQ(result.max_relative_l2, 0);
}

}  // namespace
}  // namespace narrow
