#include "graph/linear_layers.h"

#include <gtest/gtest.h>

#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "graph/layer_blocks.h"
#include "graph/shapes.h"

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

// Two blocks as MobileNet V2 has them, the second one with a sum, then a Swish and a vector:
// kernels as ONNX stores them.
class MobileBlocks {
 public:
  MobileBlocks() : builder_("mobile") {
    ValueId x = builder_.input("x", {Dimension::free("N"), 3, 8, 8});
    x = relu6("first", conv("first", x, 3, 4, 1));
    x = relu6("depthwise", conv("depthwise", x, 1, 4, 4));
    const ValueId narrow = conv("project", x, 4, 2, 1);
    x = relu6("expand2", conv("expand2", narrow, 2, 6, 1));
    x = relu6("depthwise2", conv("depthwise2", x, 1, 6, 6));
    x = conv("project2", x, 6, 2, 1);
    x = builder_.add("sum", op::Add{}, {x, narrow});
    const ValueId gate = builder_.add("gate", op::Unary{op::UnaryKind::kSigmoid}, {x});
    x = builder_.add("swish", op::Binary{op::BinaryKind::kMul}, {x, gate});
    x = conv("head", x, 2, 5, 1);
    x = builder_.add("relu", op::Relu{}, {x});
    x = builder_.add("mean", op::GlobalAveragePool{}, {x});
    x = builder_.add("flat", op::Flatten{}, {x});
    const ValueId matrix = builder_.weight({"matrix", {5, 7}});
    graph_ = builder_.finish({builder_.add("logits", op::Gemm{}, {x, matrix})});
  }
  [[nodiscard]] const Graph& graph() const { return graph_; }

 private:
  ValueId conv(const std::string& name, ValueId x, int in, int out, int groups) {
    const ValueId kernel = builder_.weight({name + "/kernel", {out, in, 3, 3}});
    return builder_.add(name, op::Conv{square_window(3, 1, 1), groups}, {x, kernel});
  }
  ValueId relu6(const std::string& name, ValueId x) {
    const auto bound = [&](const std::string& suffix, double number) {
      return builder_.constant(name + suffix, make_scalar(DType::kFloat32, number));
    };
    return builder_.add(name + "/relu6", op::Clip{}, {x, bound(":0", 0), bound(":6", 6)});
  }

  GraphBuilder builder_;
  Graph graph_;
};

TEST(LayerBlocks, EndWhereASingleValueGoesOn) {
  const MobileBlocks network;
  const Graph& graph = network.graph();
  const std::vector<LinearLayer> layers = linear_layers(graph);
  const std::vector<LayerBlock> blocks = layer_blocks(graph, layers);
  ASSERT_EQ(blocks.size(), 3U);
  const std::vector<std::string> outputs = {"project", "sum", "logits"};
  const std::vector<std::size_t> counts = {3, 3, 2};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_TRUE(blocks[i].is_plain);
    EXPECT_EQ(graph.value(blocks[i].output).name, outputs[i]);
    EXPECT_EQ(blocks[i].count, counts[i]);
    const Graph block = block_graph(graph, layers, blocks[i]);
    EXPECT_EQ(block.weights.size(), counts[i]);
    const Dimensions made = infer_shapes(block, 8, 8)[static_cast<std::size_t>(block.outputs[0])];
    EXPECT_EQ(made[1].size, i == 2 ? 7 : 2);
  }
  // Depthwise kernels too are HWIO there, and the matrix is one.
  const Graph second = block_graph(graph, layers, blocks[1]);
  EXPECT_EQ(second.weights[1].shape, (Shape{3, 3, 1, 6}));
  EXPECT_EQ(block_graph(graph, layers, blocks[2]).weights[1].shape, (Shape{1, 1, 5, 7}));
}

TEST(LayerBlocks, ProductsOfRowsAreBlocksByThemselves) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {Dimension::free("N"), 6, 4});
  const auto product = [&](const std::string& name, ValueId value) {
    return builder.add(name, op::MatMul{}, {value, builder.weight({name + "/matrix", {4, 4}})});
  };
  const ValueId query = product("query", x);
  const ValueId value = builder.add("relu", op::Relu{}, {product("value", x)});
  const ValueId key = builder.add("key", op::Transpose{{0, 2, 1}}, {query});
  const ValueId score = builder.add("score", op::MatMul{}, {value, key});
  const Graph graph = builder.finish({score});
  const std::vector<LinearLayer> layers = linear_layers(graph);
  const std::vector<LayerBlock> blocks = layer_blocks(graph, layers);
  ASSERT_EQ(blocks.size(), 2U);
  EXPECT_EQ(graph.value(blocks[0].output).name, "query");
  EXPECT_EQ(graph.value(blocks[1].output).name, "relu");
  for (const LayerBlock& block : blocks) {
    EXPECT_TRUE(block.is_plain && block.channels_last);
    const Graph small = block_graph(graph, layers, block);
    const Dimensions made = infer_shapes(small, 6, 1)[static_cast<std::size_t>(small.outputs[0])];
    EXPECT_EQ(made[1].size, 4);
    EXPECT_EQ(made[2].size, 6);
  }
}

}  // namespace
}  // namespace narrow
