#include "graph/linear_layers.h"

#include <gtest/gtest.h>

#include "graph/constants.h"
#include "graph/graph_builder.h"

namespace narrow {
namespace {

TEST(LinearLayers, NormsOfManyChannelsMayHaveNoScale) {
  constexpr int kChannels = 1536;  // those before the head of inception_resnet_v2
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {Dimension::free("N"), 2, 4, 4});
  const ValueId product = builder.conv("conv", x, 2, kChannels, square_window(1, 1));
  std::vector<ValueId> inputs = {
      product, builder.constant("ones", make_constant(std::vector<double>(kChannels, 1)))};
  for (const std::string name : {"beta", "moving_mean", "moving_variance"}) {
    inputs.push_back(builder.weight({name, {kChannels}}));
  }
  const ValueId output = builder.add("norm", op::BatchNormalization{}, inputs);
  const std::vector<LinearLayer> layers = linear_layers(builder.finish({output}));
  ASSERT_EQ(layers.size(), 1U);
  ASSERT_TRUE(layers[0].norm);
  EXPECT_FALSE(layers[0].norm->gamma);
  EXPECT_EQ(layers[0].norm->beta, "beta");
}

// Of two groups, by a kernel [3, 3, 2, 2] that is transposed to [2, 2, 3, 3]: as it is there, or
// reshaped to [4, 1, 3, 3].
Graph grouped_conv(bool is_depthwise) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {Dimension::free("N"), is_depthwise ? 2 : 4, 4, 4});
  const ValueId stored = builder.weight({"kernel", {3, 3, 2, 2}});
  ValueId kernel = builder.add("order", op::Transpose{{2, 3, 0, 1}}, {stored});
  if (is_depthwise) {
    const ValueId shape =
        builder.constant("shape", make_constant(std::vector<std::int64_t>{4, 1, 3, 3}));
    kernel = builder.add("groups", op::Reshape{}, {kernel, shape});
  }
  return builder.finish({builder.add("conv", op::Conv{square_window(3, 1, 1), 2}, {x, kernel})});
}

TEST(LinearLayers, TransposedKernelsAreThoseOfDepthwiseConvolutionsOnly) {
  const std::vector<LinearLayer> found = linear_layers(grouped_conv(true));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].out_channels, 4U);
  EXPECT_EQ(found[0].in_channels(), 2U);
  EXPECT_TRUE(linear_layers(grouped_conv(false)).empty());
}

}  // namespace
}  // namespace narrow
