#include "graph/shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "narrow/error.h"

namespace narrow {
namespace {

auto refusal(const std::string& message) {
  return testing::Throws<Error>(
      testing::AllOf(testing::Property("category", &Error::category, ErrorCategory::kUnsupported),
                     testing::Property("what", &Error::what, testing::StrEq(message))));
}

// conv, relu, and the sum of both, of images with free sizes.
Graph small_graph() {
  GraphBuilder builder("small");
  const ValueId x = builder.input(
      "images", {Dimension::free("N"), 3, Dimension::free("height"), Dimension::free("width")});
  const ValueId y = builder.conv_with_bias("conv", x, 3, 4, square_window(3, 2, 1));
  const ValueId r = builder.add("relu", op::Relu{}, {y});
  return builder.finish({builder.add("sum", op::Add{}, {y, r})});
}

std::vector<std::string> texts(const ShapeTable& shapes) {
  std::vector<std::string> all;
  for (const Dimensions& dimensions : shapes) all.push_back(to_string(dimensions));
  return all;
}

TEST(InferShapes, EveryValueHasOneAndWeightsAreAsTheOperatorHasThem) {
  const Graph graph = small_graph();
  EXPECT_THAT(texts(infer_shapes(graph, 9, 12)),
              testing::ElementsAre("[N, 3, 9, 12]", "[4, 3, 3, 3]", "[4]", "[N, 4, 5, 6]",
                                   "[N, 4, 5, 6]", "[N, 4, 5, 6]"));
  EXPECT_THAT(texts(infer_shapes(graph)),
              testing::ElementsAre("[N, 3, height, width]", "[4, 3, 3, 3]", "[4]", "[N, 4, ?, ?]",
                                   "[N, 4, ?, ?]", "[N, 4, ?, ?]"));
  EXPECT_EQ(to_string(infer_shapes(graph, {{2, 3, 9, Dimension()}}).back()), "[2, 4, 5, ?]");
}

TEST(InferShapes, OptionalInputsMayBeLeftOut) {
  Graph graph = small_graph();
  graph.nodes[0].inputs[2] = kNoValue;
  check(graph);
  EXPECT_EQ(to_string(infer_shapes(graph, 9, 12).back()), "[N, 4, 5, 6]");
}

TEST(InferShapes, AnErrorNamesTheOperatorTheNodeAndTheGraph) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {2, 3});
  const ValueId z = builder.input("z", {2, 4});
  const Graph graph = builder.finish({builder.add("sum", op::Add{}, {x, z})});
  EXPECT_THAT([&] { infer_shapes(graph); }, refusal("Add sum of g: sizes 3 and 4 cannot be added"));
  const Graph small = small_graph();
  EXPECT_THAT(
      [&] {
        infer_shapes(small, {{1, 3, 9, 0}});
      },
      refusal("Conv conv of small: a window of 3 elements does not fit into 0 with their "
              "padding"));
}

TEST(InferShapes, InputsMustFitThoseOfTheGraph) {
  const Graph graph = small_graph();
  EXPECT_THAT(
      [&] {
        infer_shapes(graph, {{1, 4, 9, 9}});
      },
      refusal("the input images is [N, 3, height, width], found [1, 4, 9, 9]"));
  EXPECT_THAT(
      [&] {
        infer_shapes(graph, {{1, 3, 9}});
      },
      refusal("the input images is [N, 3, height, width], found [1, 3, 9]"));
  EXPECT_THAT([&] { infer_shapes(graph, std::vector<Dimensions>{}); },
              refusal("small has 1 inputs, found 0"));
  EXPECT_THAT(
      [&] {
        infer_shapes(graph, {{1, 3, 9, 9}, {1, 3, 9, 9}});
      },
      refusal("small has 1 inputs, found 2"));
  EXPECT_NO_THROW(infer_shapes(graph, {{1, Dimension(), 9, 9}}));
}

TEST(InferShapes, SizesOfImagesAreOfTheOnlyInputWithFourAxes) {
  GraphBuilder fixed("fixed");
  const ValueId images = fixed.input("x", {1, 3, 8, 8});
  const Graph of_fixed_size = fixed.finish({fixed.add("relu", op::Relu{}, {images})});
  EXPECT_NO_THROW(infer_shapes(of_fixed_size, 8, 8));
  EXPECT_THAT([&] { infer_shapes(of_fixed_size, 8, 9); },
              refusal("the input x is [1, 3, 8, 8], found [1, 3, 8, 9]"));

  GraphBuilder flat("flat");
  const ValueId row = flat.input("x", {1, 3});
  const Graph of_rows = flat.finish({flat.add("relu", op::Relu{}, {row})});
  EXPECT_THAT([&] { infer_shapes(of_rows, 8, 8); },
              refusal("the input of flat is [1, 3], expected images"));

  GraphBuilder two("two");
  const ValueId a = two.input("a", {1, 3, 8, 8});
  const ValueId b = two.input("b", {1, 3, 8, 8});
  const Graph of_two = two.finish({two.add("sum", op::Add{}, {a, b})});
  EXPECT_THAT([&] { infer_shapes(of_two, 8, 8); }, refusal("two has 2 inputs, expected images"));
}

TEST(MultiplyAdds, AreThoseOfLinearOperatorsForOneImage) {
  const Graph graph = small_graph();
  const ShapeTable shapes = infer_shapes(graph, {{5, 3, 9, 12}});
  EXPECT_EQ(multiply_adds(graph, graph.nodes[0], shapes), 3 * 3 * 3 * 4 * 5 * 6);
  EXPECT_EQ(multiply_adds(graph, graph.nodes[1], shapes), 0);
  EXPECT_EQ(multiply_adds(graph, graph.nodes[2], shapes), 0);
  EXPECT_EQ(multiply_adds(graph, graph.nodes[0], infer_shapes(graph)), 0);
}

TEST(MultiplyAdds, OfGroupsAreFewer) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {1, 4, 6, 6});
  const ValueId w = builder.weight({"w", {6, 2, 3, 3}, WeightLayout::kAsUsed, WeightRole::kKernel});
  const ValueId y = builder.add("conv", op::Conv{square_window(3, 1, 1), 2}, {x, w});
  const Graph graph = builder.finish({y});
  EXPECT_EQ(multiply_adds(graph, graph.nodes[0], infer_shapes(graph)), 6 * 2 * 3 * 3 * 6 * 6);
}

TEST(MultiplyAdds, OfEveryLinearOperator) {
  GraphBuilder builder("g");
  const auto weight = [&](const char* name, Shape shape) {
    return builder.weight({name, std::move(shape), WeightLayout::kAsUsed, WeightRole::kKernel});
  };
  const ValueId x = builder.input("x", {Dimension::free("N"), 4, 5, 6});
  const ValueId up = builder.add("up", op::ConvTranspose{square_window(2, 2, 0), 1, {}, {}},
                                 {x, weight("kernel", {4, 3, 2, 2})});
  const ValueId rows = builder.add("rows", op::MatMul{}, {up, weight("matrix", {12, 7})});
  const ValueId flat = builder.add("flat", op::Flatten{}, {rows});
  Graph graph = builder.finish({builder.add("gemm", op::Gemm{}, {flat, weight("b", {210, 9})})});
  for (const Dimension& examples : {Dimension::free("N"), Dimension(3)}) {
    graph.values[static_cast<std::size_t>(graph.inputs[0])].dimensions[0] = examples;
    const ShapeTable shapes = infer_shapes(graph);
    EXPECT_EQ(multiply_adds(graph, graph.nodes[0], shapes), 4 * 5 * 6 * 3 * 2 * 2);
    EXPECT_EQ(multiply_adds(graph, graph.nodes[1], shapes), 3 * 10 * 7 * 12);
    EXPECT_EQ(multiply_adds(graph, graph.nodes[2], shapes), 0);
    EXPECT_EQ(multiply_adds(graph, graph.nodes[3], shapes), 210 * 9);
  }
}

TEST(MultiplyAdds, OfHeadsThatLieAlongAxisZero) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {2, 6, 3, 4});
  const ValueId shape =
      builder.constant("shape", make_constant(std::vector<std::int64_t>{12, 3, 4}));
  const ValueId heads = builder.add("heads", op::Reshape{}, {x, shape});
  const ValueId turned = builder.add("turned", op::Transpose{{0, 2, 1}}, {heads});
  const Graph graph = builder.finish({builder.add("y", op::MatMul{}, {heads, turned})});
  EXPECT_EQ(multiply_adds(graph, graph.nodes[2], infer_shapes(graph)), 6 * 3 * 3 * 4);
}

}  // namespace
}  // namespace narrow
