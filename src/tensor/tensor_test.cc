#include "narrow/tensor.h"

#include <gtest/gtest.h>

#include <limits>

#include "narrow/error.h"

namespace narrow {
namespace {

TEST(Tensor, EveryTypeHasANameAndASize) {
  for (int i = 0; i <= static_cast<int>(DType::kOpaque); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_FALSE(to_string(dtype).empty());
    EXPECT_EQ(element_size(dtype) == 0, dtype == DType::kString) << to_string(dtype);
  }
  EXPECT_EQ(to_string(DType::kBFloat16), "bfloat16");
  EXPECT_EQ(element_size(DType::kComplex128), 16u);
}

TEST(Tensor, CountsElements) {
  EXPECT_EQ(element_count({}), 1u);
  EXPECT_EQ(element_count({3, 3, 64, 64}), 36864u);
  EXPECT_EQ(element_count({5, 0, 7}), 0u);
}

TEST(Tensor, RefusesShapesThatOverflow) {
  const auto large = std::numeric_limits<std::int64_t>::max();
  EXPECT_THROW((void)element_count({large, 3}), Error);
  EXPECT_THROW((void)element_count({1LL << 32, 1LL << 31}), Error);
  EXPECT_THROW((void)element_count({2, -1}), Error);
  EXPECT_EQ(element_count({large, 3, 0}), 0u) << "an empty tensor, whatever the others";
  const TensorInfo too_large{"x", DType::kFloat64, {1LL << 61}};
  EXPECT_THROW((void)too_large.byte_size(), Error);
}

TEST(Tensor, AnOpaqueTypeSaysItsOwnNameAndSize) {
  const TensorInfo texts{"names", DType::kOpaque, {3}, {OpaqueType::Family::kNumpy, "<U7", 84}};
  EXPECT_EQ(texts.type_name(), "<U7");
  EXPECT_EQ(texts.byte_size(), 84u);
  EXPECT_FALSE(is_floating_point(texts.dtype));
  EXPECT_EQ((TensorInfo{"w", DType::kBFloat16, {2}}.type_name()), "bfloat16");
  TensorInfo other = texts;
  other.opaque.name = "|S28";
  EXPECT_FALSE(texts == other);
}

TEST(Tensor, PrintsShapes) {
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ(to_string(Shape{1, 1, 2048, 10}), "[1, 1, 2048, 10]");
}

}  // namespace
}  // namespace narrow
