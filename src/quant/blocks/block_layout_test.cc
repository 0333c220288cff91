#include "quant/blocks/block_layout.h"

#include <gtest/gtest.h>

#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

Granularity along(int axis, int count) {
  Granularity granularity;
  granularity.kind = Granularity::Kind::kChannel;
  granularity.axis = axis;
  granularity.axis_count = count;
  return granularity;
}

TensorInfo of_shape(Shape shape) { return {"w", DType::kFloat32, std::move(shape)}; }

TEST(BlockLayout, AdjacentAxesAreOneLongerOne) {
  for (const int axis : {2, -2}) {
    const BlockLayout layout = block_layout(along(axis, 2), of_shape({3, 3, 4, 5}), 0);
    EXPECT_EQ(layout.blocks, 20U);
    EXPECT_EQ(layout.run, 1U);
    EXPECT_EQ(layout.block_of(20 + 5 * 2 + 3), 13U);
  }
  const BlockLayout middle = block_layout(along(1, 2), of_shape({2, 3, 4, 5}), 0);
  EXPECT_EQ(middle.blocks, 12U);
  EXPECT_EQ(middle.run, 5U);
  const BlockLayout first = block_layout(along(0, 2), of_shape({2, 3, 4}), 0);
  EXPECT_EQ(first.blocks, 6U);
  EXPECT_EQ(first.run, 4U);
  EXPECT_EQ(block_layout(along(0, 3), of_shape({2, 3, 4}), 0).blocks, 24U);
}

TEST(BlockLayout, AxesOutsideTheShapeAreErrors) {
  for (const auto& [axis, count] : {std::pair{3, 1}, {-4, 1}, {2, 2}, {-1, 2}, {0, 4}, {0, 0}}) {
    EXPECT_THROW(block_layout(along(axis, count), of_shape({2, 3, 4}), 0), Error) << axis;
  }
  EXPECT_EQ(block_layout(along(7, 2), of_shape({5}), 0).blocks, 1U);
}

}  // namespace
}  // namespace narrow
