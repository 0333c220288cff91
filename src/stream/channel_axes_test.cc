#include "narrow/channel_axes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "narrow/error.h"
#include "quant/scheme_json.h"

namespace narrow {
namespace {

constexpr auto kTensorFlow = CheckpointFormat::kTensorFlowV2;
constexpr auto kSafetensors = CheckpointFormat::kSafetensors;

TensorInfo tensor(std::string name, Shape shape) {
  return {std::move(name), DType::kFloat32, std::move(shape)};
}

Scheme by_channel() {
  Scheme scheme;
  scheme.granularity.kind = Granularity::Kind::kChannel;
  return scheme;
}

TEST(ChannelAxes, AreReadAndWritten) {
  EXPECT_EQ(parse_channel_axes("3"), (ChannelAxes{3, 1}));
  EXPECT_EQ(parse_channel_axes("-1"), (ChannelAxes{-1, 1}));
  EXPECT_EQ(parse_channel_axes("2,3"), (ChannelAxes{2, 2}));
  EXPECT_EQ(parse_channel_axes("-3,-2,-1"), (ChannelAxes{-3, 3}));
  EXPECT_EQ(to_string(ChannelAxes{2, 2}), "2,3");
  EXPECT_EQ(to_string(ChannelAxes{-1, 1}), "-1");
  for (const char* text : {"", "x", "1,", ",1", "1,3", "2,1", "-1,0", "0,-1", "1.5", "2147483647",
                           "99999999999", "1,1"}) {
    EXPECT_THROW(parse_channel_axes(text), Error) << text;
  }
}

TEST(ChannelAxes, DepthwiseKernelsAreKnownByName) {
  for (const char* name :
       {"MobilenetV1/Conv2d_1_depthwise/depthwise_weights", "depthwise_kernel",
        "a/depthwise_kernel:0",
        "model/layer_with_weights-3/depthwise_kernel/.ATTRIBUTES/VARIABLE_VALUE",
        "a/depthwise_weights/Momentum", "net.depthwise_kernel",
        "layer/depthwise_kernel/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE",
        "a/depthwise_weights/ExponentialMovingAverage"}) {
    EXPECT_TRUE(is_depthwise_kernel(tensor(name, {3, 3, 16, 2}))) << name;
    EXPECT_EQ(default_channel_axes(kTensorFlow, tensor(name, {3, 3, 16, 2})), (ChannelAxes{-2, 2}));
  }
  for (const char* name : {"a/pointwise_weights", "depthwise_weights/kernel", "a/depthwise/weights",
                           "a/not_depthwise_weights"}) {
    EXPECT_FALSE(is_depthwise_kernel(tensor(name, {3, 3, 16, 2}))) << name;
  }
  EXPECT_TRUE(is_depthwise_kernel(tensor("conv1d/depthwise_kernel", {5, 16, 1})));
  EXPECT_FALSE(is_depthwise_kernel(tensor("a/depthwise_weights", {16, 2})));
}

TEST(ChannelAxes, FormatAndShapeGiveTheOthers) {
  EXPECT_EQ(default_channel_axes(kTensorFlow, tensor("w", {3, 3, 4, 8})), (ChannelAxes{-1, 1}));
  EXPECT_EQ(default_channel_axes(kTensorFlow, tensor("w", {3, 3, 16, 1})), (ChannelAxes{-2, 2}));
  EXPECT_EQ(default_channel_axes(kTensorFlow, tensor("w", {16, 1})), (ChannelAxes{-1, 1}));
  EXPECT_EQ(default_channel_axes(kTensorFlow, tensor("w", {3, 1, 1})), (ChannelAxes{-1, 1}));
  EXPECT_EQ(default_channel_axes(kSafetensors, tensor("w", {16, 1, 3, 3})), (ChannelAxes{0, 1}));
  EXPECT_EQ(default_channel_axes(kSafetensors, tensor("w", {3, 3, 16, 1})), (ChannelAxes{0, 1}));
  const std::string name = "a/depthwise_kernel";
  EXPECT_EQ(default_channel_axes(kSafetensors, tensor(name, {3, 3, 16, 1})), (ChannelAxes{-2, 2}));
  EXPECT_EQ(default_channel_axes(kSafetensors, tensor(name, {16, 1, 3, 3})), (ChannelAxes{0, 1}));
}

TEST(ChannelAxes, OfANetworkInTheFileAreThoseThatItTells) {
  TensorInfo kernel = tensor("depthwise_kernel", {3, 3, 16, 1});
  for (const auto format : {kTensorFlow, CheckpointFormat::kOnnx}) {
    kernel.channel_axis = 2;
    EXPECT_EQ(default_channel_axes(format, kernel), (ChannelAxes{2, 1}));
  }
  EXPECT_EQ(default_channel_axes(CheckpointFormat::kOnnx, tensor("w", {3, 3, 16, 1})),
            (ChannelAxes{0, 1}));
}

TEST(ChannelAxes, TheSchemeThenTheFirstRuleThenTheOthersCount) {
  const AxisRules rules{{{"a*", {0, 1}}, {"*", {1, 2}}}, ChannelAxes{3, 1}};
  const auto chosen = [&](const Scheme& scheme, const char* name, const AxisRules& given) {
    const Granularity made =
        with_channel_axes(scheme, tensor(name, {2, 3, 4, 5}), kTensorFlow, given).granularity;
    return ChannelAxes{made.axis.value(), made.axis_count};
  };
  EXPECT_EQ(chosen(by_channel(), "ab", rules), (ChannelAxes{0, 1}));
  EXPECT_EQ(chosen(by_channel(), "b", rules), (ChannelAxes{1, 2}));
  EXPECT_EQ(chosen(by_channel(), "b", {{{"a*", {0, 1}}}, ChannelAxes{2, 1}}), (ChannelAxes{2, 1}));
  EXPECT_EQ(chosen(by_channel(), "b", {}), (ChannelAxes{-1, 1}));
  Scheme named = by_channel();
  named.granularity.axis = 2;
  EXPECT_EQ(chosen(named, "ab", rules), (ChannelAxes{2, 1}));
  named.granularity.kind = Granularity::Kind::kTensor;
  EXPECT_EQ(with_channel_axes(named, tensor("a", {2, 3}), kTensorFlow, rules), Scheme{});
}

TEST(ChannelAxes, DoubtsAreTold) {
  const auto doubt = [](Shape shape, const char* name = "w", const AxisRules& rules = {}) {
    return axis_doubt(by_channel(), tensor(name, std::move(shape)), kTensorFlow, rules);
  };
  EXPECT_EQ(doubt({3, 3, 4, 8}), AxisDoubt::kNone);
  EXPECT_EQ(doubt({16, 1}), AxisDoubt::kSingleChannel);
  EXPECT_EQ(doubt({1, 1}), AxisDoubt::kNone);
  EXPECT_EQ(doubt({16}), AxisDoubt::kNone);
  EXPECT_EQ(doubt({3, 3, 16, 1}), AxisDoubt::kTakenAsDepthwise);
  EXPECT_EQ(doubt({3, 3, 16, 1}, "depthwise_weights"), AxisDoubt::kNone);
  EXPECT_EQ(doubt({3, 3, 16, 1}, "w", {{{"w", {-2, 2}}}, {}}), AxisDoubt::kNone);
  EXPECT_EQ(doubt({3, 3, 16, 1}, "depthwise_weights", {{}, ChannelAxes{-1, 1}}),
            AxisDoubt::kSingleChannel);
  EXPECT_EQ(axis_doubt(Scheme{}, tensor("w", {16, 1}), kTensorFlow), AxisDoubt::kNone);
}

TEST(ChannelAxes, APatternThatMatchesNothingIsAnError) {
  const std::vector<TensorInfo> tensors = {tensor("a/kernel", {2, 3})};
  EXPECT_NO_THROW(require_axis_matches({{{"*kernel", {0, 1}}}, {}}, tensors));
  EXPECT_THROW(require_axis_matches({{{"*kernel", {0, 1}}, {"b", {0, 1}}}, {}}, tensors), Error);
}

TEST(ChannelAxes, AreKeptInRecipes) {
  Scheme scheme = by_channel();
  scheme.granularity.axis = -2;
  scheme.granularity.axis_count = 2;
  const auto json = scheme_json(scheme);
  EXPECT_EQ(json["axis"].dump(), "[-2,-1]");
  EXPECT_EQ(parse_scheme_json(json, "x"), scheme);
  for (const char* text : {"[]", "[1,3]", "[2,1]", "[-1,0]", "[1.5]", "[[1]]", "\"1\"", "null"}) {
    auto wrong = json;
    wrong["axis"] = nlohmann::ordered_json::parse(text);
    EXPECT_THROW(parse_scheme_json(wrong, "x"), Error) << text;
  }
}

}  // namespace
}  // namespace narrow
