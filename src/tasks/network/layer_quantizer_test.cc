#include "tasks/network/layer_quantizer.h"

#include <gtest/gtest.h>

#include "graph/graph_builder.h"
#include "graph/testing/hashed_values.h"
#include "tasks/network/layer_passes.h"

namespace narrow {
namespace {

// Layer "a" with batch norm and ReLU, and "b" after it with nothing but weights.
LoadedNetwork two_layers() {
  GraphBuilder builder("two");
  const ValueId images = builder.input(
      "images", {Dimension::free("N"), 3, Dimension::free("height"), Dimension::free("width")});
  const ValueId a = builder.conv("a", images, 3, 8, square_window(3, 1, 1));
  const ValueId norm = builder.batch_norm("a/BatchNorm", a, 8, {});
  const ValueId relu = builder.add("a/Relu", op::Relu{}, {norm});
  Graph graph = builder.finish({builder.conv("b", relu, 8, 4, square_window(1, 1))});
  Weights weights = hashed_weights(graph);
  std::vector<Layer> found = layers(graph);
  return {std::move(graph), std::move(found), std::move(weights)};
}

TEST(LayerQuantizer, LayersWithoutBatchNormAndBiasHaveWeightsOnly) {
  LoadedNetwork network = two_layers();
  Scheme scheme;
  scheme.bits = 3;
  const std::map<std::string, Scheme> schemes = {
      {"a/weights", scheme}, {"a/BatchNorm/gamma", scheme}, {"b/weights", scheme}};
  const NetworkMethods methods = {
      .equalize = true, .absorb_channel_scales = true, .bias_correct = true, .image_size = 8};
  LayerQuantizer quantizer(network, schemes, methods, false);
  std::vector<LayerCost> costs;
  quantize_layers(network, quantizer, [&](const Layer& layer, LayerCost cost) {
    EXPECT_EQ(layer.name, cost.layer);
    costs.push_back(std::move(cost));
  });
  ASSERT_EQ(costs.size(), 2U);
  for (const LayerCost& cost : costs) {
    EXPECT_GT(cost.output_error, 0);
    EXPECT_LT(cost.output_error, 1);
  }
  EXPECT_EQ(quantizer.results().size(), 3U);
  // What "b" is divided by goes into the batch norm of "a"; "b" has none to take back a scale of
  // its outputs.
  EXPECT_EQ(quantizer.scales().at("a").output.size(), 8U);
  EXPECT_EQ(quantizer.scales().at("b").input.size(), 8U);
  EXPECT_TRUE(quantizer.scales().at("b").output.empty());
}

}  // namespace
}  // namespace narrow
