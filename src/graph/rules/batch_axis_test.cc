#include "graph/rules/batch_axis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/constants.h"
#include "graph/graph_builder.h"

namespace narrow {
namespace {

using testing::Eq;
using testing::HasSubstr;
using testing::Optional;

using Integers = std::vector<std::int64_t>;

// x [N, ...] through one operator with further constant inputs.
std::optional<std::string> mixed(Attributes attributes, const Shape& example,
                                 const std::vector<Integers>& constants = {}) {
  GraphBuilder builder("g");
  Dimensions dimensions = {Dimension::free("N")};
  dimensions.insert(dimensions.end(), example.begin(), example.end());
  std::vector<ValueId> inputs = {builder.input("x", dimensions)};
  for (std::size_t i = 0; i < constants.size(); ++i) {
    inputs.push_back(builder.constant("c" + std::to_string(i), make_constant(constants[i])));
  }
  return mixed_examples(builder.finish({builder.add("node", std::move(attributes), inputs)}));
}

TEST(MixedExamples, OperatorsAlongOtherAxesKeepThemApart) {
  EXPECT_EQ(mixed(op::Relu{}, {3}), std::nullopt);
  EXPECT_EQ(mixed(op::Softmax{1}, {3}), std::nullopt);
  EXPECT_EQ(mixed(op::Reduce{}, {3, 4}, {{1, -1}}), std::nullopt);
  EXPECT_EQ(mixed(op::Transpose{{0, 2, 1}}, {3, 4}), std::nullopt);
  EXPECT_EQ(mixed(op::Reshape{}, {3, 4}, {{0, 12}}), std::nullopt);
  EXPECT_EQ(mixed(op::Reshape{}, {3, 4}, {{-1, 12}}), std::nullopt);
  EXPECT_EQ(mixed(op::Flatten{}, {3, 4}), std::nullopt);
  EXPECT_EQ(mixed(op::Slice{}, {3}, {{1}, {2}, {1}}), std::nullopt);
  EXPECT_EQ(mixed(op::Gather{1}, {3}, {{2, 0}}), std::nullopt);
}

TEST(MixedExamples, WhatLooksAlongAxisZeroDoesNot) {
  EXPECT_THAT(mixed(op::Softmax{0}, {3}), Optional(HasSubstr("Softmax node")));
  EXPECT_THAT(mixed(op::Reduce{}, {3}, {{0}}), Optional(HasSubstr("ReduceMean node")));
  EXPECT_NE(mixed(op::Reduce{}, {3}), std::nullopt);
  EXPECT_NE(mixed(op::Transpose{{1, 0}}, {3}), std::nullopt);
  EXPECT_NE(mixed(op::Reshape{}, {3, 4}, {{-1, 4}}), std::nullopt);
  EXPECT_NE(mixed(op::Reshape{}, {4}, {{1, -1}}), std::nullopt);
  EXPECT_NE(mixed(op::CumSum{}, {3}, {{0}}), std::nullopt);
  EXPECT_NE(mixed(op::Gather{0}, {3}, {{0, 1}}), std::nullopt);
}

TEST(MixedExamples, SlicesOfAllExamplesAreFineAndTheirReverseIsNot) {
  EXPECT_EQ(mixed(op::Slice{}, {3}, {{0}, {INT64_MAX}, {0}}), std::nullopt);
  EXPECT_NE(mixed(op::Slice{}, {3}, {{-1}, {INT64_MIN}, {0}, {-1}}), std::nullopt);
}

TEST(MixedExamples, ProductsOfExamplesWithEachOtherAreNot) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {Dimension::free("N"), 4});
  const ValueId t = builder.add("t", op::Transpose{{1, 0}}, {x});
  const Graph graph = builder.finish({builder.add("y", op::MatMul{}, {x, t})});
  EXPECT_NE(mixed_examples(graph), std::nullopt);

  GraphBuilder batched("g");
  const ValueId a = batched.input("a", {Dimension::free("N"), 2, 4});
  const ValueId b = batched.input("b", {Dimension::free("N"), 4, 3});
  EXPECT_EQ(mixed_examples(batched.finish({batched.add("y", op::MatMul{}, {a, b})})), std::nullopt);
}

TEST(MixedExamples, TheNumberOfExamplesMayShapeButNotBeComputedWith) {
  const auto graph = [](bool computes) {
    GraphBuilder builder("g");
    const ValueId x = builder.input("x", {Dimension::free("N"), 6});
    const ValueId shape = builder.add("shape", op::ShapeOf{0, 1}, {x});
    if (computes) {
      const ValueId count = builder.add("count", op::Cast{DType::kFloat32}, {shape});
      return builder.finish({builder.add("y", op::Binary{op::BinaryKind::kDiv}, {x, count})});
    }
    const ValueId rest = builder.constant("rest", make_constant(Integers{2, 3}));
    const ValueId sizes = builder.add("sizes", op::Concat{0}, {shape, rest});
    return builder.finish({builder.add("y", op::Reshape{}, {x, sizes})});
  };
  EXPECT_EQ(mixed_examples(graph(false)), std::nullopt);
  EXPECT_NE(mixed_examples(graph(true)), std::nullopt);
}

// Attention as exporters write it: the heads of all examples lie along axis 0 for a while.
TEST(MixedExamples, PartsOfExamplesStayApart) {
  const auto attention = [](const Integers& back, bool is_about_all) {
    GraphBuilder builder("g");
    const ValueId x = builder.input("x", {Dimension::free("N"), 2, 3, 4});
    const ValueId flat = builder.constant("flat", make_constant(Integers{-1, 3, 4}));
    const ValueId heads = builder.add("heads", op::Reshape{}, {x, flat});
    const ValueId turned = builder.add("turned", op::Transpose{{0, 2, 1}}, {heads});
    ValueId y = builder.add("product", op::MatMul{}, {heads, turned});
    if (is_about_all) y = builder.add("softmax", op::Softmax{0}, {y});
    const ValueId count = builder.add("count", op::ShapeOf{0, 1}, {x});
    const ValueId rest = builder.constant("rest", make_constant(back));
    const ValueId sizes = builder.add("sizes", op::Concat{0}, {count, rest});
    return mixed_examples(builder.finish({builder.add("y", op::Reshape{}, {y, sizes})}));
  };
  EXPECT_EQ(attention({2, 3, 3}, false), std::nullopt);
  EXPECT_EQ(attention({6, 3}, false), std::nullopt);
  EXPECT_NE(attention({2, 3, 3}, true), std::nullopt);
  EXPECT_NE(attention({-1, 3, 3, 2}, false), std::nullopt);
}

// Masks are looked up at (example, place).
TEST(MixedExamples, EachLooksUpItsOwn) {
  const auto looked_up = [](std::int64_t first, bool examples_first) {
    GraphBuilder builder("g");
    const auto integers = [&](const std::string& name, const Integers& values) {
      return builder.constant(name, make_constant(values));
    };
    const ValueId mask = builder.input("mask", {Dimension::free("N"), 5});
    const ValueId count = builder.add("count", op::ShapeOf{0, 1}, {mask});
    const ValueId limit = builder.add("limit", op::Squeeze{}, {count});
    const auto scalar = [&](const std::string& name, std::int64_t value) {
      return builder.constant(name, make_scalar(DType::kInt64, static_cast<double>(value)));
    };
    const ValueId counted =
        builder.add("counted", op::Range{}, {scalar("first", first), limit, scalar("one", 1)});
    const ValueId column =
        builder.add("column", op::Unsqueeze{}, {counted, integers("later", {1, 2})});
    const ValueId sizes = builder.add("sizes", op::Concat{0}, {count, integers("rest", {5, 1})});
    const ValueId examples = builder.add("examples", op::Expand{}, {column, sizes});
    const ValueId row = builder.add("row", op::Unsqueeze{},
                                    {integers("places", {0, 1, 2, 3, 4}), integers("last", {1})});
    const ValueId places = builder.add("all_places", op::Expand{}, {row, sizes});
    const std::vector<ValueId> pair = {examples_first ? examples : places,
                                       examples_first ? places : examples};
    const ValueId indices = builder.add("indices", op::Concat{-1}, pair);
    return mixed_examples(builder.finish({builder.add("y", op::GatherNd{}, {mask, indices})}));
  };
  EXPECT_EQ(looked_up(0, true), std::nullopt);
  EXPECT_NE(looked_up(1, true), std::nullopt);
  EXPECT_NE(looked_up(0, false), std::nullopt);
}

TEST(MixedExamples, EveryInputAndOutputHasExamples) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {Dimension::free("N"), 6});
  const ValueId rate = builder.input("rate", {}, DType::kInt64);
  EXPECT_THAT(mixed_examples(builder.finish({x, rate})),
              Optional(Eq("the input rate has no axis of examples")));
}

}  // namespace
}  // namespace narrow
