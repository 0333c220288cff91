#include "graph/drop_quantizers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "graph/matchers.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

struct Codes {
  DType type = DType::kUInt8;
  std::optional<std::int64_t> zero;
  double scale = 0.5;
};

// The numbers of the codes of x.
ValueId quantized(GraphBuilder& builder, const std::string& name, ValueId x, const Codes& codes) {
  const ValueId scale =
      builder.constant(name + "/scale", make_scalar(DType::kFloat32, codes.scale));
  std::vector<ValueId> parameters = {scale};
  if (codes.zero) {
    parameters.push_back(builder.constant(
        name + "/zero",
        {codes.type, {}, encode_integers(codes.type, std::array<std::int64_t, 1>{*codes.zero})}));
  }
  std::vector<ValueId> inputs = {x};
  inputs.insert(inputs.end(), parameters.begin(), parameters.end());
  inputs[0] = builder.add(name + "/codes", op::QuantizeLinear{codes.type}, inputs);
  return builder.add(name, op::DequantizeLinear{}, inputs);
}

// Bounds of the Clip that quantized values of any sign become; nothing when they are let through.
std::vector<double> bounds(const Codes& codes) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {2, 4});
  const ValueId y = quantized(builder, "y", builder.add("sum", op::Add{}, {x, x}), codes);
  const Graph graph = drop_quantizers(builder.finish({builder.add("z", op::Add{}, {y, x})}));
  std::vector<double> result;
  for (const Node& node : graph.nodes) {
    EXPECT_FALSE((is_any<op::QuantizeLinear, op::DequantizeLinear>(node)));
    if (!is_any<op::Clip>(node)) continue;
    for (const std::size_t i : {1, 2}) {
      const Constant& bound = *graph.constant_of(node.inputs.at(i));
      result.push_back(decode_reals(bound.type, bound.bytes).at(0));
    }
  }
  return result;
}

TEST(DropQuantizers, APairWhoseLeastNumberIsZeroIsAnActivation) {
  EXPECT_THAT(bounds({}), ElementsAre(0, 127.5));
  EXPECT_THAT(bounds({DType::kUInt8, 0, 0.1}),
              ElementsAre(0, static_cast<float>(255 * double{0.1F})));
  EXPECT_THAT(bounds({DType::kInt8, -128}), ElementsAre(0, 127.5));
  EXPECT_THAT(bounds({DType::kUInt16, 0}), ElementsAre(0, 32767.5));
  EXPECT_THAT(bounds({DType::kUInt8, 1}), IsEmpty());
  EXPECT_THAT(bounds({DType::kInt8, 0}), IsEmpty());
  EXPECT_THAT(bounds({DType::kInt8, std::nullopt}), IsEmpty());
  EXPECT_THAT(bounds({DType::kUInt8, 0, -0.5}), IsEmpty());
}

TEST(DropQuantizers, NothingBoundsWhatIsNeverNegative) {
  GraphBuilder builder("g");
  ValueId x = builder.add("relu", op::Relu{}, {builder.input("x", {2, 4})});
  x = quantized(builder, "a", x, {});
  x = builder.add("flat", op::Flatten{}, {x});
  x = quantized(builder, "b", x, {DType::kUInt8, std::nullopt, 0.25});
  x = quantized(builder, "c", builder.add("twice", op::Add{}, {x, x}), {});
  const ValueId least = builder.constant("least", make_scalar(DType::kFloat32, 0));
  x = quantized(builder, "d", builder.add("clip", op::Clip{}, {x, least}), {});
  const ValueId sigmoid = builder.add("sigmoid", op::Unary{op::UnaryKind::kSigmoid}, {x});
  const Graph graph = drop_quantizers(builder.finish({quantized(builder, "e", sigmoid, {})}));
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.name);
  EXPECT_THAT(names, ElementsAre("relu", "flat", "twice", "clip", "sigmoid", "e"));
}

TEST(DropQuantizers, WhatMayBeNegativeAllTheSameIsBounded) {
  GraphBuilder builder("g");
  const ValueId x = builder.add("relu", op::Relu{}, {builder.input("x", {2, 4})});
  const ValueId logarithm = builder.add("log", op::Softmax{-1, true}, {x});
  const ValueId greatest = builder.constant("greatest", make_scalar(DType::kFloat32, -1));
  const ValueId clipped = builder.add("clip", op::Clip{}, {x, kNoValue, greatest});
  const Graph graph = drop_quantizers(builder.finish(
      {quantized(builder, "a", logarithm, {}), quantized(builder, "b", clipped, {})}));
  std::vector<std::string> clips;
  for (const Node& node : graph.nodes) {
    if (is_any<op::Clip>(node)) clips.push_back(node.name);
  }
  EXPECT_THAT(clips, UnorderedElementsAre("clip", "a", "b"));
}

TEST(DropQuantizers, OtherParametersBehindTheCodesStay) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {2, 4});
  const ValueId scale = builder.constant("scale", make_scalar(DType::kFloat32, 0.5));
  const ValueId other = builder.constant("other", make_scalar(DType::kFloat32, 0.25));
  const ValueId codes = builder.add("codes", op::QuantizeLinear{}, {x, scale});
  const Graph graph = builder.finish({builder.add("y", op::DequantizeLinear{}, {codes, other})});
  EXPECT_EQ(drop_quantizers(graph), graph);
}

TEST(DropQuantizers, ScalesOfAnotherAxisBehindTheCodesStay) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {2, 2});
  const ValueId scales = builder.constant("scales", make_constant(std::vector<double>{0.5, 0.25}));
  const ValueId codes = builder.add("codes", op::QuantizeLinear{.axis = 0}, {x, scales});
  const Graph graph = builder.finish({builder.add("y", op::DequantizeLinear{1}, {codes, scales})});
  EXPECT_EQ(drop_quantizers(graph), graph);
}

TEST(DropQuantizers, BranchesAreTakenByThemselves) {
  const auto branch = [] {
    GraphBuilder builder("branch");
    const ValueId x = builder.input("x", {2, 4});
    const Graph deepest = builder.finish({quantized(builder, "y", x, {DType::kInt8, 0})});
    return std::make_shared<const Graph>(deepest);
  };
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {2, 4});
  const ValueId condition = builder.constant("condition", {DType::kBool, {}, {std::byte{1}}});
  const Graph graph = drop_quantizers(
      builder.finish({builder.add("if", op::If{branch(), branch()}, {condition, x})}));
  const auto& branches = std::get<op::If>(graph.nodes.at(0).attributes);
  for (const Graph* const inner : {branches.then_branch.get(), branches.else_branch.get()}) {
    for (const Node& node : inner->nodes) {
      EXPECT_FALSE((is_any<op::QuantizeLinear, op::DequantizeLinear>(node)));
    }
    EXPECT_EQ(inner->outputs.size(), 1U);
  }
}

}  // namespace
}  // namespace narrow
