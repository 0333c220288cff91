#include "model/network_variables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/expected_error.h"
#include "graph/testing/single_layer.h"
#include "model/testing/small_checkpoint.h"

namespace narrow {
namespace {

TEST(LoadNetwork, HoldsTheValuesOfTheCheckpoint) {
  const Graph expected = small_network(10);
  const LoadedNetwork network = load_network(MemoryReader(small_tensors(expected, 1)));
  EXPECT_EQ(network.graph, expected);
  EXPECT_EQ(network.layers.size(), layers(expected).size());
  for (const Weight& weight : expected.weights) {
    EXPECT_TRUE(std::ranges::equal(network.weights.values(weight.name), small_values(weight, 1)))
        << weight.name;
  }
}

TEST(LoadNetwork, MissingBiasesAreNamed) {
  auto tensors = small_tensors(small_network(10), 1);
  std::erase_if(tensors,
                [](const MemoryTensor& t) { return t.info.name.ends_with("logits/biases"); });
  EXPECT_THAT(error_message(ErrorCategory::kNotFound,
                            [&] { load_network(MemoryReader(std::move(tensors))); }),
              testing::HasSubstr("1 missing: resnet_v1_small/logits/biases"));
}

TEST(RequirePlainLayers, WhatMethodsCannotDoIsNamed) {
  const Layer plain = single_layer("conv", 3, 4, 4, 1);
  EXPECT_NO_THROW(require_plain_layers({plain}));
  const auto message = [&](const Layer& layer) {
    return error_message(ErrorCategory::kUnsupported, [&] {
      require_plain_layers({plain, layer});
    });
  };
  Layer other = plain;
  other.name = "other";
  other.layout = WeightLayout::kAsUsed;
  EXPECT_THAT(message(other), testing::HasSubstr("other yet: its weights are not stored"));
  other = plain;
  other.conv.group = 2;
  EXPECT_THAT(message(other), testing::HasSubstr("conv yet: its channels are in groups"));
  other = plain;
  other.conv.window = {{3}, {1}, {1}, {1, 1}, AutoPad::kNotSet};
  EXPECT_THAT(message(other), testing::HasSubstr("two axes"));
  other = plain;
  other.norm.emplace();
  EXPECT_NO_THROW(require_plain_layers({other}));
  other.bias = "bias";
  EXPECT_THAT(message(other), testing::HasSubstr("a bias and a batch normalization"));
}

}  // namespace
}  // namespace narrow
