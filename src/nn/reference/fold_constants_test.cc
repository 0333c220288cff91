#include "nn/reference/fold_constants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/constants.h"
#include "graph/dequantize_graph.h"
#include "graph/graph_builder.h"
#include "graph/operators.h"
#include "narrow/error.h"
#include "nn/reference/fold_weights.h"
#include "nn/reference/reference_network.h"
#include "nn/reference/reference_operators.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

Constant ints(const std::vector<std::int64_t>& values) { return make_constant(values); }

// y = x reshaped to [size of axis 0, 2 * 3].
Graph reshaping(const Dimension& batch) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {batch, 2, 3});
  const ValueId shape = builder.add("shape", op::ShapeOf{}, {x});
  const ValueId first =
      builder.add("first", op::Gather{0}, {shape, builder.constant("zero", ints({0}))});
  const ValueId six =
      builder.add("six", op::Binary{op::BinaryKind::kMul},
                  {builder.constant("two", ints({2})), builder.constant("three", ints({3}))});
  const ValueId target = builder.add("target", op::Concat{0}, {first, six});
  return builder.finish({builder.add("y", op::Reshape{}, {x, target})});
}

TEST(FoldConstants, SizesThatAreDeclaredAreConstants) {
  const Graph folded = fold_constants(reshaping(5));
  ASSERT_EQ(folded.nodes.size(), 1U);
  EXPECT_EQ(folded.nodes[0].name, "y");
  const Constant* const shape = folded.constant_of(folded.nodes[0].inputs[1]);
  ASSERT_NE(shape, nullptr);
  EXPECT_THAT(ReferenceTensor::of(*shape).integers, testing::ElementsAre(5, 6));
  EXPECT_EQ(folded.value(folded.nodes[0].inputs[1]).name, "target");
}

TEST(FoldConstants, WhatFollowsFromFreeSizesStays) {
  const Graph folded = fold_constants(reshaping(Dimension::free("N")));
  EXPECT_EQ(folded.nodes.size(), 4U);
  for (const Node& node : folded.nodes) EXPECT_NE(node.name, "six");
}

// As tracing exporters write it: the padding is worked out from the sizes of what is padded, as a
// matrix, of which no sizes are followed.
ValueId padded(GraphBuilder& builder, const std::string& name, ValueId x) {
  const auto of = [&](const char* part) { return name + part; };
  const ValueId shape = builder.add(of("shape"), op::ShapeOf{}, {x});
  const ValueId width =
      builder.add(of("width"), op::Gather{0}, {shape, builder.constant(of("last"), ints({2}))});
  const ValueId zeros = builder.constant(of("zeros"), ints({0, 0, 0, 0, 0}));
  const ValueId pads = builder.add(of("pads"), op::Concat{0}, {zeros, width});
  const ValueId pair = builder.constant(of("pair"), ints({3, 2}));
  const ValueId matrix = builder.add(of("matrix"), op::Reshape{}, {pads, pair});
  const ValueId flat =
      builder.add(of("flat"), op::Reshape{}, {matrix, builder.constant(of("six"), ints({6}))});
  return builder.add(name, op::Pad{}, {x, flat});
}

TEST(FoldConstants, SizesThatFollowFromFoldedNodesAreConstants) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {Dimension::free("N"), 2, 3});
  const ValueId once = padded(builder, "once", x);
  const ValueId twice = padded(builder, "twice", once);
  const Graph folded = fold_constants(builder.finish({padded(builder, "thrice", twice)}));
  ASSERT_EQ(folded.nodes.size(), 3U);
  const Constant* const pads = folded.constant_of(folded.nodes[2].inputs[1]);
  ASSERT_NE(pads, nullptr);
  EXPECT_THAT(ReferenceTensor::of(*pads).integers, testing::ElementsAre(0, 0, 0, 0, 0, 12));
}

TEST(FoldConstants, StopsAtTheLimit) {
  GraphBuilder builder("g");
  const ValueId shape = builder.constant("shape", ints({100}));
  const ValueId x = builder.input("x", {100}, DType::kFloat32);
  const ValueId ones = builder.add("ones", op::ConstantOfShape{}, {shape});
  const Graph graph = builder.finish({builder.add("y", op::Add{}, {x, ones})});
  EXPECT_EQ(fold_constants(graph, 400).nodes.size(), 1U);
  EXPECT_EQ(fold_constants(graph, 399).nodes.size(), 2U);
}

TEST(FoldConstants, NamesTheNodeThatCannotBeComputed) {
  GraphBuilder builder("g");
  const ValueId indices = builder.constant("indices", {DType::kInt64, {1, 1}, ints({7}).bytes});
  const ValueId table = builder.constant("table", {DType::kInt64, {1, 2}, ints({1, 2}).bytes});
  const Graph graph = builder.finish({builder.add("y", op::Gather{0}, {table, indices})});
  EXPECT_THAT([&] { fold_constants(graph); },
              testing::ThrowsMessage<Error>(
                  testing::StrEq("Gather y of g: an index 7 of an axis with 1 elements")));
}

// Codes times a scale, transposed, are a weight; what makes more elements of few is not.
TEST(FoldWeights, WhatIsMadeOfWeightsIsAWeight) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {Dimension::free("N"), 3});
  const ValueId codes = builder.constant(
      "codes", {DType::kInt8,
                {2, 3},
                encode_integers(DType::kInt8, std::array<std::int64_t, 6>{1, 2, 3, 4, 5, 6})});
  const ValueId scale = builder.weight({"scale", {2, 1}, WeightLayout::kAsUsed});
  const ValueId real = builder.add("real", op::Cast{DType::kFloat32}, {codes});
  const ValueId rows = builder.add("rows", op::Binary{op::BinaryKind::kMul}, {real, scale});
  const ValueId used = builder.add("used", op::Transpose{{1, 0}}, {rows});
  const ValueId large =
      builder.add("large", op::Expand{}, {scale, builder.constant("shape", ints({2, 90}))});
  const ValueId y = builder.add("y", op::MatMul{}, {x, used});
  const FoldedGraph folded =
      fold_weights(builder.finish({builder.add("z", op::MatMul{}, {y, large})}));
  std::vector<std::string> names;
  for (const Node& node : folded.graph.nodes) names.push_back(node.name);
  EXPECT_THAT(names, testing::ElementsAre("large", "y", "z"));
  ASSERT_EQ(folded.computed.size(), 1U);
  const Weight* const weight = folded.graph.weight_of(folded.graph.nodes[1].inputs[1]);
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->name, "used");  // the scale is read by others too
  EXPECT_EQ(weight->shape, (Shape{3, 2}));
  const auto read = [](const Weight& /*weight*/) {
    return ReferenceTensor{{2, 1}, {0.5, 10}, DType::kFloat32};
  };
  const auto results = run_reference(folded.computed.at("used"), read, {});
  EXPECT_THAT(results.at(0).values, testing::ElementsAre(0.5, 40, 1, 50, 1.5, 60));
}

// x [2, 3] times codes, as dynamic quantization writes it, and rounded to codes once more.
Graph dynamically_quantized() {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {2, 3});
  const auto codes = [](Shape shape, const std::vector<std::int64_t>& values) {
    return Constant{DType::kUInt8, std::move(shape), encode_integers(DType::kUInt8, values)};
  };
  const ValueId weights = builder.constant("weights", codes({3, 2}, {0, 255, 130, 120, 128, 10}));
  const ValueId zeros = builder.constant("zeros", codes({2}, {128, 100}));
  const ValueId scales = builder.constant("scales", make_constant(std::vector{0.01, 0.02}));
  const auto x_codes = builder.add_node("quantize", op::DynamicQuantizeLinear{}, {x}, 3);
  const ValueId sums =
      builder.add("product", op::MatMulInteger{}, {x_codes[0], weights, x_codes[2], zeros});
  const ValueId reals = builder.add("cast", op::Cast{DType::kFloat32}, {sums});
  const op::Binary mul{op::BinaryKind::kMul};
  const ValueId y =
      builder.add("scaled", mul, {reals, builder.add("both", mul, {x_codes[1], scales})});
  const ValueId scale = builder.constant("scale", make_scalar(DType::kFloat32, 0.05));
  const ValueId zero = builder.constant("zero", codes({}, {128}));
  const ValueId rounded =
      builder.add("rounded", op::QuantizeLinear{DType::kUInt8}, {y, scale, zero});
  return builder.finish({builder.add("z", op::DequantizeLinear{}, {rounded, scale, zero})});
}

TEST(DequantizeGraph, ComputesInRealNumbers) {
  const Graph quantized = dynamically_quantized();
  Graph real = quantized;
  dequantize_graph(real);
  std::vector<std::string> names;
  for (const Node& node : fold_constants(real).nodes) {
    names.emplace_back(operator_of(node).name);
  }
  EXPECT_THAT(names, testing::ElementsAre("MatMul", "Identity"));
  const ReferenceTensor x = {{2, 3}, {0.5, -1, 2, 1.5, 0.25, -0.75}, DType::kFloat32};
  const WeightReader none;
  const auto expected = run_reference(quantized, none, {x})[0].values;
  const auto found = run_reference(real, none, {x})[0].values;
  // The first by hand: 0.5 * -1.28 - 1 * 0.02 + 2 * 0.
  EXPECT_NEAR(found[0], -0.66, 1e-6);
  EXPECT_NE(found, expected);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 0.08);
}

TEST(DequantizeGraph, NamesProductsOfIntegersThatStay) {
  Graph graph = dynamically_quantized();
  for (Node& node : graph.nodes) {
    if (node.name == "product") node.inputs.resize(2);  // without the zero points
  }
  EXPECT_THAT([&] { dequantize_graph(graph); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("MatMulInteger product of g")));
}

}  // namespace
}  // namespace narrow
