#include "tasks/network/scales/channel_scales.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "nn/hashed_values.h"
#include "nn/inference/inference_network.h"
#include "tasks/evaluation/evaluation_for_test.h"
#include "tasks/network/scales/equalize_channels.h"

namespace narrow {
namespace {

constexpr int kSize = 40;
constexpr int kImages = 6;

FlatVariables random_variables(const ResnetV1& network, std::uint64_t seed) {
  FlatVariables variables(network);
  for (const ModelVariable& variable : network.variables()) {
    std::ranges::copy(small_values(variable, seed), variables.values(variable.name).begin());
  }
  return variables;
}

std::vector<float> logits_of(const ResnetV1& network, const FlatVariables& variables) {
  const InferenceNetwork inference(network, variables, kSize, kSize);
  std::vector<float> logits(static_cast<std::size_t>(kImages * network.class_count));
  inference.run(hashed_images(kImages, kSize, kSize), kImages, logits);
  return logits;
}

// Largest difference as a part of the largest logit.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(a[i])));
    most = std::max(most, std::fabs(static_cast<double>(a[i]) - b[i]));
  }
  return most / largest;
}

// Between 1 and 2^octaves, the first one 2^20.
std::vector<double> random_factors(int count, const std::string& name, double octaves) {
  RandomStream stream(5, name);
  std::vector<double> factors;
  for (int i = 0; i < count; ++i) factors.push_back(std::exp2(octaves * stream.uniform()));
  return factors;
}

ChannelScales scale_everything(const ResnetV1& network, FlatVariables& variables) {
  ChannelScales scales;
  for (const auto& [before, layer] : exclusive_chains(network)) {
    std::vector<double> factors = random_factors(layer->in_depth, layer->name, 3);
    scale_input_channels(*before, *layer, factors, variables);
    scales[layer->name].input = std::move(factors);
  }
  for (const ConvLayer* layer : network.conv_layers()) {
    std::vector<double> factors = random_factors(layer->out_depth, layer->name + "o", 6);
    factors[0] = 0x1p20;
    scale_output_channels(*layer, factors, variables);
    scales[layer->name].output = std::move(factors);
  }
  return scales;
}

TEST(ChannelScales, OutputsOfTheNetworkStay) {
  const ResnetV1 network = small_network(10);
  for (const std::uint64_t seed : {1, 2, 3}) {
    FlatVariables variables = random_variables(network, seed);
    const auto expected = logits_of(network, variables);
    const ChannelScales scales = scale_everything(network, variables);
    EXPECT_LT(difference(expected, logits_of(network, variables)), 1e-5);
    undo_scales(network, scales, variables);
    EXPECT_LT(difference(expected, logits_of(network, variables)), 1e-5);
    const FlatVariables original = random_variables(network, seed);
    for (const ModelVariable& variable : network.variables()) {
      const auto found = variables.values(variable.name);
      const auto wanted = original.values(variable.name);
      for (std::size_t i = 0; i < found.size(); ++i) {
        ASSERT_NEAR(found[i], wanted[i], 1e-6 * std::fabs(wanted[i])) << variable.name;
      }
    }
  }
}

TEST(ChannelScales, DeadChannelsKeepTheirOutput) {
  const ResnetV1 network = small_network(10);
  FlatVariables variables = random_variables(network, 1);
  for (const ConvLayer* layer : network.conv_layers()) {
    const auto weights = variables.values(layer->weights_name());
    for (std::size_t i = 0; i < weights.size(); i += static_cast<std::size_t>(layer->out_depth)) {
      weights[i] = 0;
    }
    variables.values(layer->moving_mean_name())[0] = 0;
    variables.values(layer->moving_variance_name())[0] = 0;
  }
  const auto expected = logits_of(network, variables);
  scale_everything(network, variables);
  EXPECT_LT(difference(expected, logits_of(network, variables)), 1e-5);
}

TEST(ChannelScales, EqualizationLevelsInputChannels) {
  // Two taps, two inputs, two outputs; input 1 is four times as large.
  const std::vector<float> weights = {1, -0.5F, 4, 2, 0.5F, 1, -2, 4};
  EXPECT_THAT(equalizing_scales(weights, {2, 1, 2, 2}, false), testing::ElementsAre(2.5, 0.625));
  // Output 1 is small: for a range of its own its weights count as large ones.
  const std::vector<float> small_output = {1, 0.25F, 4, 0.5F};
  EXPECT_THAT(equalizing_scales(small_output, {1, 1, 2, 2}, true),
              testing::ElementsAre(0.75 / 0.5, 0.75));
  // Bounds, and a channel without weights.
  EXPECT_THAT(equalizing_scales(std::vector<float>{1000, 0, 1}, {1, 1, 3, 1}, false),
              testing::ElementsAre(testing::DoubleNear(0.33367, 1e-5), 1, 8));
}

TEST(ChannelScales, AreWrittenAndRead) {
  const ResnetV1 network = small_network(10);
  FlatVariables variables = random_variables(network, 1);
  const ChannelScales scales = scale_everything(network, variables);
  MemoryWriter writer;
  write_scales(scales, writer);
  const ChannelScales found = read_scales(MemoryReader(writer.tensors), network);
  ASSERT_EQ(found.size(), scales.size());
  for (const auto& [layer, factors] : scales) {
    EXPECT_EQ(found.at(layer).output, factors.output);
    EXPECT_EQ(found.at(layer).input, factors.input);
  }
}

TEST(ChannelScales, WhatIsNoScaleIsRefused) {
  const ResnetV1 network = small_network(10);
  const auto read = [&](const std::string& name, const std::vector<double>& values, int depth) {
    const MemoryReader reader({memory_tensor(name, DType::kFloat64, {depth}, values)});
    return read_scales(reader, network);
  };
  const std::string conv1 = "resnet_v1_small/conv1";
  const std::vector<double> ones(8, 1.0);
  EXPECT_EQ(read(conv1 + "/output_scale", ones, 8).at(conv1).output, ones);
  EXPECT_THROW(read(conv1 + "/input_scale", ones, 8), Error);
  EXPECT_THROW(read("other/output_scale", ones, 8), Error);
  EXPECT_THROW(read(conv1 + "/output_scale", std::vector<double>(7, 1.0), 7), Error);
  for (const double bad : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    std::vector<double> values = ones;
    values[3] = bad;
    EXPECT_THROW(read(conv1 + "/output_scale", values, 8), Error) << bad;
  }
}

}  // namespace
}  // namespace narrow
