#include "methods/moments/input_moments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/testing/expected_error.h"
#include "graph/graph_builder.h"
#include "graph/testing/small_resnet.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Sets every element of the weights whose name ends so.
void set_all(const Graph& graph, std::string_view ending, float value, Weights& weights) {
  for (const Weight& weight : graph.weights) {
    if (weight.name.ends_with(ending)) std::ranges::fill(weights.values(weight.name), value);
  }
}

InputMoments moments_of(const Graph& graph, const Weights& weights) {
  return input_moments(graph, layers(graph), weights);
}

TEST(InputMoments, EveryLayerHasOneEntryAnInputChannel) {
  const Graph graph = small_network(10);
  const Weights weights = small_weights(graph, 1);
  const InputMoments moments = moments_of(graph, weights);
  const std::vector<Layer> all = layers(graph);
  EXPECT_EQ(moments.size(), all.size());
  for (const Layer& layer : all) {
    EXPECT_EQ(moments.at(layer.name).size(), static_cast<std::size_t>(layer.in_channels));
    for (const Moments& channel : moments.at(layer.name)) EXPECT_GE(channel.variance(), 0);
  }
}

TEST(InputMoments, BranchesOfAUnitAddUp) {
  const Graph graph = small_network(10);
  Weights weights = small_weights(graph, 1);
  set_all(graph, "/gamma", 2, weights);
  set_all(graph, "/beta", 0.5F, weights);
  const InputMoments moments = moments_of(graph, weights);
  const std::string first = "resnet_v1_small/block1/unit_1/bottleneck_v1";
  const std::string second = "resnet_v1_small/block1/unit_2/bottleneck_v1";
  const std::string third = "resnet_v1_small/block2/unit_1/bottleneck_v1";
  ASSERT_TRUE(moments.contains(first + "/shortcut"));
  ASSERT_FALSE(moments.contains(second + "/shortcut"));
  const Moments one = rectified_normal(0.5, 4);
  EXPECT_EQ(moments.at(first + "/conv1")[0].second, one.second);
  EXPECT_EQ(moments.at(first + "/shortcut")[0].second, one.second);
  EXPECT_EQ(moments.at(first + "/conv3")[1].mean, one.mean);
  // Two batch norms, then the rectified sum again with one more.
  const Moments sum = rectified_normal(1, 8);
  EXPECT_DOUBLE_EQ(moments.at(second + "/conv1")[0].second, sum.second);
  const Moments next = rectified_normal(0.5 + sum.mean, 4 + sum.variance());
  EXPECT_DOUBLE_EQ(moments.at(third + "/conv1")[0].second, next.second);
}

TEST(InputMoments, ImagesExplainTheVarianceOfTheFirstLayer) {
  const Graph graph = small_network(10);
  Weights weights = small_weights(graph, 1);
  set_all(graph, "small/conv1/weights", 0.5F, weights);
  set_all(graph, "small/conv1/BatchNorm/moving_variance", 147, weights);
  // 7 * 7 * 3 weights of 0.5 each make a variance of 147 from pixels of variance 4.
  const InputMoments moments = moments_of(graph, weights);
  for (const Moments& channel : moments.at("resnet_v1_small/conv1")) {
    EXPECT_EQ(channel.mean, 0);
    EXPECT_DOUBLE_EQ(channel.second, 4);
  }
}

TEST(InputMoments, ValuesThatAreNotFiniteAreRefused) {
  const Graph graph = small_network(10);
  Weights weights = small_weights(graph, 1);
  set_all(graph, "/gamma", std::numeric_limits<float>::quiet_NaN(), weights);
  EXPECT_THROW(moments_of(graph, weights), Error);
}

// Two layers side by side on images, and what comes of them, as input of the layer "last".
class Branches {
 public:
  Branches()
      : images_(builder_.input("images", {Dimension::free("N"), 3, Dimension::free("height"),
                                          Dimension::free("width")})),
        normed_(builder_.batch_norm("normed/BatchNorm", conv("normed"), kChannels, {})),
        bare_(conv("bare")) {}

  // The layer with batch norm, and the one without.
  [[nodiscard]] ValueId normed() const { return normed_; }
  [[nodiscard]] ValueId bare() const { return bare_; }

  ValueId add(const std::string& name, Attributes attributes, std::vector<ValueId> inputs) {
    return builder_.add(name, std::move(attributes), std::move(inputs));
  }

  // With `x` as its input; gammas are 2 and betas 0.5. Used up by this.
  InputMoments moments(ValueId x) {
    const ValueId last = builder_.conv("last", x, kChannels, 1, square_window(1, 1));
    const Graph graph = builder_.finish({last, normed_, bare_});
    Weights weights = small_weights(graph, 1);
    set_all(graph, "/gamma", 2, weights);
    set_all(graph, "/beta", 0.5F, weights);
    return moments_of(graph, weights);
  }

 private:
  static constexpr int kChannels = 2;

  ValueId conv(const std::string& scope) {
    return builder_.conv(scope, images_, 3, kChannels, square_window(1, 1));
  }

  GraphBuilder builder_{"branches"};
  ValueId images_;
  ValueId normed_;
  ValueId bare_;
};

TEST(InputMoments, PassThroughOperatorsThatBelongToNoLayer) {
  // The layer's result is an output of the graph too, so what follows is no part of the layer.
  Branches branches;
  const ValueId pool = branches.add("pool", op::MaxPool{square_window(2, 2)}, {branches.normed()});
  const ValueId sum = branches.add("sum", op::Add{}, {pool, pool});
  const ValueId relu = branches.add("relu", op::Relu{}, {sum});
  const Moments expected = rectified_normal(1, 8);
  const InputMoments moments =
      branches.moments(branches.add("mean", op::GlobalAveragePool{}, {relu}));
  EXPECT_DOUBLE_EQ(moments.at("last")[1].mean, expected.mean);
  EXPECT_DOUBLE_EQ(moments.at("last")[1].second, expected.second);
  EXPECT_EQ(moments.at("bare").size(), 3U);
}

TEST(InputMoments, WhatIsNotKnownIsNamed) {
  const auto message = [](const auto& input) {
    return error_message(ErrorCategory::kUnsupported, [&] {
      Branches branches;
      branches.moments(input(branches));
    });
  };
  const std::string expected =
      "what last sees cannot be estimated: bare has no batch normalization";
  EXPECT_EQ(message([](Branches& branches) { return branches.bare(); }), expected);
  EXPECT_EQ(message([](Branches& branches) {
              return branches.add("relu", op::Relu{}, {branches.bare()});
            }),
            expected);
  EXPECT_EQ(message([](Branches& branches) {
              return branches.add("sum", op::Add{}, {branches.normed(), branches.bare()});
            }),
            expected);

  GraphBuilder builder("first");
  const ValueId images = builder.input("images", {1, 3, 8, 8});
  const Graph graph = builder.finish({builder.conv("a", images, 3, 2, square_window(1, 1))});
  EXPECT_EQ(error_message(ErrorCategory::kUnsupported,
                          [&] { moments_of(graph, small_weights(graph, 1)); }),
            "what a sees cannot be estimated: a has no batch normalization");
}

}  // namespace
}  // namespace narrow
