// Ranges from histograms, places of quantizers, and graphs with codes in them.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "graph/graph_builder.h"
#include "graph/testing/hashed_values.h"
#include "methods/activations/engine_rules.h"
#include "methods/activations/quantized_network.h"
#include "methods/activations/trained_steps.h"
#include "narrow/error.h"

namespace narrow {
namespace {

std::vector<float> hashed(std::size_t count, double least, double greatest, std::uint32_t seed) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double share = hashed_uniform(seed + static_cast<std::uint32_t>(i));
    values[i] = static_cast<float>(least + (greatest - least) * share);
  }
  return values;
}

TEST(ValueStatistics, DependOnNeitherOrderNorParts) {
  const std::vector<float> small = hashed(1000, -0.01, 0.02, 1);
  const std::vector<float> large = hashed(1000, -70, 900, 5000);
  const std::vector<float> zeros(10, 0);
  ValueStatistics forward;
  for (const auto& part : {zeros, small, large}) forward.add(part);
  ValueStatistics backward;
  for (const auto& part : {large, small, zeros}) backward.add(part);
  ValueStatistics merged;
  for (const auto& part : {small, zeros, large}) {
    ValueStatistics own;
    own.add(part);
    merged.add(own);
  }
  EXPECT_EQ(forward, backward);
  EXPECT_EQ(forward, merged);
  EXPECT_EQ(forward.count(), 2010U);
  EXPECT_EQ(forward.least(), *std::ranges::min_element(large));
  std::uint64_t count = 0;
  for (const ValueStatistics::Bin& bin : forward.bins()) count += bin.count;
  EXPECT_EQ(count, 2010U);
}

TEST(ValueStatistics, RefusesWhatIsNotFinite) {
  ValueStatistics seen;
  EXPECT_THROW(seen.add(std::vector<float>{1, NAN}), Error);
}

TEST(ActivationRange, FormatsAreThoseOfQuantizeLinear) {
  ActivationScheme scheme;
  EXPECT_EQ(fit_format({-1, 3}, scheme), (ActivationFormat{4.0F / 255, 64, DType::kUInt8, 0, 255}));
  EXPECT_EQ(fit_format({0.5, 2}, scheme),
            (ActivationFormat{static_cast<float>(2.0 / 255), 0, DType::kUInt8, 0, 255}));
  scheme.kind = ActivationSchemeKind::kSymmetric;
  EXPECT_EQ(fit_format({-1, 3}, scheme),
            (ActivationFormat{static_cast<float>(3.0 / 127), 0, DType::kInt8, -128, 127}));
  scheme = {ActivationSchemeKind::kFixedPoint, 6, ActivationRange::kMinMax, 0};
  const ActivationFormat unsigned_format = fit_format({0, 3}, scheme);
  EXPECT_EQ(unsigned_format, (ActivationFormat{1.0F / 16, 0, DType::kUInt8, 0, 63}));
  EXPECT_TRUE(unsigned_format.is_narrower_than_type());
  EXPECT_EQ(fit_format({-1, 3}, scheme).scale, 1.0F / 8);
  EXPECT_EQ(fit_format({0, 0}, scheme).scale, 1.0F);
}

TEST(ActivationRange, OutliersAreLeftOutWhereThatPays) {
  // Bell-shaped, and one far away.
  std::vector<float> values = hashed(100000, -1, 1, 3);
  for (const std::uint32_t seed : {200000U, 400000U}) {
    const std::vector<float> more = hashed(values.size(), -1, 1, seed);
    std::ranges::transform(values, more, values.begin(), std::plus<>());
  }
  ValueStatistics seen;
  seen.add(values);
  seen.add(std::vector<float>{60});
  ActivationScheme scheme;
  scheme.bits = 4;
  EXPECT_EQ(choose_range(seen, scheme).greatest, 60);
  scheme.range = ActivationRange::kPercentile;
  scheme.percentile = 99.9;
  EXPECT_NEAR(choose_range(seen, scheme).greatest, 2.6, 0.2);
  for (const auto range : {ActivationRange::kMse, ActivationRange::kEntropy}) {
    scheme.range = range;
    const SeenRange found = choose_range(seen, scheme);
    EXPECT_LT(found.greatest, 12) << range_text(scheme);
    EXPECT_LE(found.least, -0.3) << range_text(scheme);
    const ActivationFormat format = fit_format(found, scheme);
    EXPECT_GE(clipped_values(seen, format), 1U);
  }
}

// x -> conv -> norm -> relu -> pool -> concat with itself -> conv
struct SmallNetwork {
  SmallNetwork() {
    GraphBuilder builder("small");
    const ValueId x = builder.input("x", {1, 3, 8, 8});
    const ValueId kernel = builder.weight({"w", {4, 3, 3, 3}});
    const ValueId conv = builder.add("conv", op::Conv{square_window(3, 1, 1), 1}, {x, kernel});
    std::vector<ValueId> norm = {conv};
    for (const char* const name : {"gamma", "beta", "mean", "variance"}) {
      norm.push_back(builder.weight({name, {4}}));
    }
    const ValueId normed = builder.add("norm", op::BatchNormalization{}, norm);
    const ValueId relu = builder.add("relu", op::Relu{}, {normed});
    const ValueId pool = builder.add("pool", op::MaxPool{square_window(2, 2)}, {relu});
    const ValueId both = builder.add("both", op::Concat{1}, {pool, pool});
    const ValueId last = builder.weight({"v", {2, 8, 1, 1}});
    const ValueId bias = builder.weight({"b", {2}});
    const ValueId y = builder.add("last", op::Conv{square_window(1, 1), 1}, {both, last, bias});
    graph = builder.finish({y});
    layers = linear_layers(graph);
    LayerCodes first;
    first.codes.assign(108, 3);
    first.scales = {0.5};
    const std::vector<double> slopes = {1, -2, 0, 4};
    const std::vector<double> offsets = {5, 6, 7, 8};
    fold_into_codes(layers[0], slopes, offsets, first);
    LayerCodes second;
    second.codes.assign(16, -1);
    second.scales = {0.25, 1e-9};
    second.biases = {1, 1};
    codes = {first, second};
  }
  Graph graph;
  std::vector<LinearLayer> layers;
  std::vector<std::optional<LayerCodes>> codes;
};

// Of evenly spread values: that of rounding, s / sqrt(12), over the root of their mean square.
TEST(ActivationRange, ErrorsAreThoseOfRoundingAndClipping) {
  ValueStatistics seen;
  seen.add(hashed(20000, 0, 4, 3));
  const double power = 4 / std::sqrt(3.0);
  for (const int bits : {3, 6, 8, 12}) {
    ActivationScheme scheme;
    scheme.bits = bits;
    const ActivationFormat format = fit_format({0, 4}, scheme);
    const double expected = static_cast<double>(format.scale) / std::sqrt(12.0) / power;
    EXPECT_NEAR(relative_error(seen, format), expected, 0.03 * expected) << bits;
  }
  // What is above 2 loses (x - 2)^2.
  EXPECT_NEAR(relative_error(seen, fit_format({0, 2}, {})), std::sqrt(2.0 / 3) / power, 0.01);
  EXPECT_EQ(relative_error({}, fit_format({0, 2}, {})), 0);
}

TEST(QuantizedNetwork, NormsAreFoldedIntoCodes) {
  const SmallNetwork network;
  const LayerCodes& first = *network.codes[0];
  EXPECT_EQ(first.scales, (std::vector<double>{0.5, 1, 1, 2}));
  EXPECT_EQ(first.biases, (std::vector<double>{5, 6, 7, 8}));
  EXPECT_EQ(first.codes[0], 3);
  EXPECT_EQ(first.codes[27], -3);
  EXPECT_EQ(first.codes[54], 0);
  const Graph graph = with_codes(network.graph, network.layers, network.codes);
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.name);
  EXPECT_EQ(names, (std::vector<std::string>{"w_dequantized", "conv", "relu", "pool", "both",
                                             "v_dequantized", "last"}));
  EXPECT_TRUE(graph.weights.empty());
}

TEST(QuantizedNetwork, QuantizersSitBehindActivationsAndAreShared) {
  const SmallNetwork network;
  const Graph graph = with_codes(network.graph, network.layers, network.codes);
  const std::vector<QuantizerGroup> groups = quantizer_groups(graph);
  ASSERT_EQ(groups.size(), 2U);
  std::vector<std::string> names;
  for (const ValueId id : groups[1].values) names.push_back(graph.value(id).name);
  EXPECT_EQ(names, (std::vector<std::string>{"relu", "pool", "both"}));
  ASSERT_EQ(groups[0].values.size(), 1U);
  EXPECT_EQ(graph.value(groups[0].values[0]).name, "x");
}

TEST(QuantizedNetwork, BiasesAreIntegersAndFewBitsAreKeptByAClip) {
  const SmallNetwork network;
  const Graph graph = with_codes(network.graph, network.layers, network.codes);
  const ActivationFormat eight = {0.5, 10, DType::kUInt8, 0, 255};
  const ActivationFormat six = {0.5, 0, DType::kUInt8, 0, 63};
  std::vector<std::string> widened;
  const Graph quantized =
      with_integer_biases(with_quantizers(graph, quantizer_groups(graph), {eight, six}), widened);
  EXPECT_EQ(widened, std::vector<std::string>{"last"});
  std::size_t clips = 0;
  std::size_t quantizers = 0;
  for (const Node& node : quantized.nodes) {
    clips += std::holds_alternative<op::Clip>(node.attributes) ? 1 : 0;
    quantizers += std::holds_alternative<op::QuantizeLinear>(node.attributes) ? 1 : 0;
    if (node.name != "conv") continue;
    const Node& bias =
        quantized.nodes[static_cast<std::size_t>(quantized.producer(node.inputs[2]))];
    EXPECT_EQ(quantized.constant_of(bias.inputs[0])->type, DType::kInt32);
  }
  EXPECT_EQ(clips, 3U);
  EXPECT_EQ(quantizers, 4U);
}

TEST(TrainedSteps, NamesSayValueWidthAndSign) {
  const TrainedStep step = {"a/Relu", 4, false};
  EXPECT_EQ(step.variable(), "a/Relu/activation_step/uint4");
  EXPECT_EQ(trained_step(step.variable()), step);
  EXPECT_EQ(trained_step("images/activation_step/int12"), (TrainedStep{"images", 12, true}));
  for (const char* const other :
       {"a/Relu/activation_step/uint4/Momentum", "a/activation_step/uint1", "a/activation_step/int",
        "a/activation_step/int04", "a/weights"}) {
    EXPECT_FALSE(trained_step(other)) << other;
  }
  const ActivationFormat format = TrainedStep{"images", 4, true}.format(-0.5F, true);
  EXPECT_EQ(format, (ActivationFormat{0.5F, 8, DType::kUInt8, 0, 15}));
}

TEST(TrainedSteps, SitWhereIntegersHaveCodes) {
  const SmallNetwork network;
  const std::vector<StepPlace> places =
      step_places(network.graph, {}, {parse_activation_rule("x: 6", {})});
  ASSERT_EQ(places.size(), 2U);
  EXPECT_EQ(places[0].step, (TrainedStep{"x", 6, true}));
  EXPECT_EQ(places[1].step, (TrainedStep{"relu", 8, false}));
  // pool and both only move what is codes already.
  EXPECT_EQ(places[1].values, std::vector<std::string>{"relu"});
  const Graph graph = with_steps(network.graph, places);
  EXPECT_EQ(graph.weights.size(), network.graph.weights.size() + 2);
  const Node& pool = *std::ranges::find(graph.nodes, "pool", &Node::name);
  const Node& numbers = graph.nodes[static_cast<std::size_t>(graph.producer(pool.inputs[0]))];
  EXPECT_TRUE(std::holds_alternative<op::DequantizeLinear>(numbers.attributes));
  EXPECT_EQ(graph.weight_of(numbers.inputs[1])->name, "relu/activation_step/uint8");
}

Graph quantized_network(const ActivationFormat& images, const ActivationFormat& others,
                        bool has_integer_biases = true) {
  const SmallNetwork network;
  const Graph graph = with_codes(network.graph, network.layers, network.codes);
  const Graph quantized = with_quantizers(graph, quantizer_groups(graph), {images, others});
  std::vector<std::string> widened;
  return has_integer_biases ? with_integer_biases(quantized, widened) : quantized;
}

const Node& node_of(const Graph& graph, const std::string& name) {
  return *std::ranges::find(graph.nodes, name, &Node::name);
}

TEST(EngineRules, AreThoseOfTheTable) {
  const ActivationFormat eight = {0.5, 10, DType::kUInt8, 0, 255};
  const ActivationFormat six = {0.5, 0, DType::kUInt8, 0, 63};
  const Graph graph = quantized_network(eight, six);
  const EngineRules rules(graph, {});
  const Node& conv = node_of(graph, "conv");
  const Node& last = node_of(graph, "last");
  EXPECT_TRUE(rules.is_judged(conv));
  EXPECT_FALSE(rules.is_judged(node_of(graph, "relu")));
  // Behind it a Clip to 6 bits is no part of the codes.
  EXPECT_NE(rules.onnx_runtime(conv).find("Clip"), std::string::npos);
  EXPECT_EQ(rules.onnx_runtime(last), "its result leaves the network as numbers");
  for (const Node* const node : {&conv, &last}) {
    EXPECT_EQ(rules.open_vino(*node), "");
    EXPECT_NE(rules.tensor_rt(*node).find("uint8"), std::string::npos);
  }
  EXPECT_EQ(rules.pair_sum(conv), 2 * 3 * 255);
  EXPECT_EQ(rules.pair_sum(last), 2 * 63);
}

TEST(EngineRules, ReluBelongsToCodesWithZeroAsTheLeast) {
  const ActivationFormat images = {0.5, 0, DType::kUInt8, 0, 255};
  const auto why = [&](const ActivationFormat& format) {
    const Graph graph = quantized_network(images, format);
    return EngineRules(graph, {}).onnx_runtime(node_of(graph, "conv"));
  };
  EXPECT_EQ(why({0.5, 0, DType::kUInt8, 0, 255}), "");
  EXPECT_NE(why({0.5, 128, DType::kUInt8, 0, 255}).find("Relu relu"), std::string::npos);
  EXPECT_NE(why({0.5, 0, DType::kUInt16, 0, 65535}).find("uint16"), std::string::npos);
}

TEST(EngineRules, SymmetricCodesAndNumbersAsBiasesAreForTensorRt) {
  const ActivationFormat symmetric = {0.5, 0, DType::kInt8, -128, 127};
  const Graph graph = quantized_network(symmetric, symmetric, false);
  const EngineRules rules(graph, {});
  EXPECT_EQ(rules.tensor_rt(node_of(graph, "conv")), "");
  EXPECT_EQ(rules.tensor_rt(node_of(graph, "both")), "");
  EXPECT_EQ(rules.pair_sum(node_of(graph, "conv")), 2 * 3 * 255);
  const Graph other = quantized_network(symmetric, symmetric);
  EXPECT_NE(EngineRules(other, {}).tensor_rt(node_of(other, "last")).find("biases"),
            std::string::npos);
}

}  // namespace
}  // namespace narrow
