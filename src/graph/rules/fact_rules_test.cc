#include "graph/rules/fact_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "graph/shapes.h"
#include "narrow/error.h"

namespace narrow {
namespace {

const Dimension kN = Dimension::free("N");
const Dimension kHuge = std::int64_t{1} << 62;

Constant ints(const std::vector<std::int64_t>& values) { return make_constant(values); }

std::string shape_of(const Graph& graph, ValueId id) {
  return to_string(infer_shapes(graph)[static_cast<std::size_t>(id)]);
}

std::string result(const Attributes& attributes, const std::vector<Fact>& inputs) {
  std::vector<const Fact*> pointers;
  for (const Fact& input : inputs) pointers.push_back(&input);
  return to_string(infer_facts(attributes, pointers)[0].dimensions);
}

Fact floats(Dimensions dimensions) { return {DType::kFloat32, std::move(dimensions)}; }
Fact known(const std::vector<std::int64_t>& values) { return fact_of(ints(values)); }

// As exporters write x.view(x.size(0), -1).
TEST(Facts, ASizeGoesThroughShapeGatherConcatAndReshape) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {kN, 8, 2, 3});
  const ValueId shape = builder.add("shape", op::ShapeOf{}, {x});
  const ValueId zero = builder.constant("zero", make_scalar(DType::kInt64, 0));
  const ValueId size = builder.add("size", op::Gather{0}, {shape, zero});
  const ValueId row =
      builder.add("row", op::Unsqueeze{}, {size, builder.constant("axes", ints({0}))});
  const ValueId rest = builder.constant("rest", ints({-1}));
  const ValueId target = builder.add("target", op::Concat{0}, {row, rest});
  const ValueId y = builder.add("y", op::Reshape{}, {x, target});
  EXPECT_EQ(shape_of(builder.finish({y}), y), "[N, 48]");
}

TEST(Facts, AllElementsOfAnEmptyArrayAreKnown) {
  const Fact none = {DType::kInt64, {0}};
  EXPECT_EQ(result(op::Reshape{}, {floats({1, 1}), none}), "[]");
  EXPECT_THROW(result(op::Reshape{}, {floats({2, 3}), none}), Error);
  EXPECT_EQ(result(op::Squeeze{}, {floats({1, 3}), none}), "[1, 3]");
  EXPECT_EQ(result(op::Reduce{op::ReduceKind::kSum, false, true}, {floats({2, 3}), none}),
            "[2, 3]");
  EXPECT_EQ(result(op::ConstantOfShape{}, {none}), "[]");
}

TEST(Facts, ValuesWithoutAxesAreNotResized) {
  const Fact none = {DType::kFloat32, {0}};
  const Fact one = {DType::kFloat32, {1}};
  const Fact scalar = {DType::kFloat32, {}};
  for (const Fact& scales : {none, one, scalar}) {
    EXPECT_THROW(result(op::Resize{}, {floats({}), none, scales}), Error);
  }
}

TEST(Facts, SlopesDepthsAndModesFit) {
  EXPECT_EQ(result(op::PRelu{}, {floats({1, 2, 3}), floats({2, 1})}), "[1, 2, 3]");
  EXPECT_THROW(result(op::PRelu{}, {floats({1, 2, 3}), floats({0, 1, 1})}), Error);
  EXPECT_THROW(result(op::PRelu{}, {floats({1, 3}), floats({2, 3})}), Error);
  EXPECT_THROW(result(op::OneHot{}, {known({1}), floats({0}), floats({2})}), Error);
  const Fact mode = {DType::kBool, {}};
  EXPECT_EQ(result(op::Dropout{}, {floats({2}), floats({}), mode}), "[2]");
  EXPECT_THROW(result(op::Dropout{}, {floats({2}), floats({}), floats({})}), Error);
}

TEST(Facts, ArithmeticOfSizesIsFollowed) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {kN, 6});
  const ValueId shape = builder.add("shape", op::ShapeOf{}, {x});
  const ValueId halves = builder.add("halves", op::Binary{op::BinaryKind::kDiv},
                                     {shape, builder.constant("by", ints({1, 2}))});
  const ValueId more =
      builder.add("more", op::Add{}, {halves, builder.constant("plus", ints({0, 4}))});
  const ValueId y = builder.add("y", op::ConstantOfShape{}, {more});
  EXPECT_EQ(shape_of(builder.finish({y}), y), "[N, 7]");
}

TEST(Facts, SlicesOfAShapeAreFollowed) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {kN, 6, 7});
  const ValueId shape = builder.add("shape", op::ShapeOf{}, {x});
  const ValueId part =
      builder.add("part", op::Slice{},
                  {shape, builder.constant("from", ints({-1})), builder.constant("to", ints({-4})),
                   builder.constant("axes", ints({0})), builder.constant("steps", ints({-2}))});
  const ValueId y = builder.add("y", op::ConstantOfShape{}, {part});
  EXPECT_EQ(shape_of(builder.finish({y}), y), "[7, N]");
}

TEST(Facts, AShapeThatIsNotKnownLeavesItsRank) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {4, 6});
  const ValueId shape = builder.input("shape", {3}, DType::kInt64);
  const ValueId y = builder.add("y", op::Reshape{}, {x, shape});
  EXPECT_EQ(shape_of(builder.finish({y}), y), "[?, ?, ?]");
}

TEST(Facts, ProductsThatDoNotFitAreRefused) {
  EXPECT_THROW(product(kHuge, 4), Error);
  EXPECT_THROW(sum(kHuge, kHuge), Error);
  EXPECT_THROW(result(op::Flatten{}, {floats({1, kHuge, 4})}), Error);
  EXPECT_THROW(result(op::Concat{0}, {floats({kHuge}), floats({kHuge})}), Error);
  EXPECT_THROW(result(op::Tile{}, {floats({kHuge}), known({4})}), Error);
  EXPECT_THROW(result(op::Pad{}, {floats({kHuge}), known({1, 1})}), Error);
  EXPECT_THROW(result(op::DepthToSpace{2}, {floats({1, 4, kHuge, 1})}), Error);
  EXPECT_THROW(
      result(op::Resize{}, {floats({kHuge}), {}, fact_of(make_constant(std::vector{8.0}))}), Error);
}

TEST(Facts, TypesAreChecked) {
  const Fact bools = {DType::kBool, {2}};
  EXPECT_THROW(result(op::Add{}, {floats({2}), bools}), Error);
  EXPECT_THROW(result(op::Where{}, {floats({2}), floats({2}), floats({2})}), Error);
  EXPECT_THROW(result(op::Softmax{}, {bools}), Error);
  EXPECT_THROW(result(op::Gather{0}, {floats({2}), floats({2})}), Error);
  EXPECT_THROW(result(op::Cast{DType::kString}, {bools}), Error);
}

TEST(Facts, SlicesEndWhereTheAxisDoes) {
  const auto sliced = [](std::int64_t from, std::int64_t to, std::int64_t step) {
    return result(op::Slice{},
                  {floats({10}), known({from}), known({to}), known({0}), known({step})});
  };
  EXPECT_EQ(sliced(2, INT64_MAX, 3), "[3]");
  EXPECT_EQ(sliced(INT64_MAX, INT64_MIN, -1), "[10]");
  EXPECT_EQ(sliced(INT64_MIN, INT64_MAX, INT64_MAX), "[1]");
  EXPECT_EQ(sliced(9, INT64_MIN, INT64_MIN), "[1]");
  EXPECT_EQ(sliced(5, 5, 1), "[0]");
  EXPECT_THROW(sliced(0, 1, 0), Error);
}

TEST(Facts, EquationsOfEinsum) {
  const auto einsum = [](const std::string& equation, const std::vector<Fact>& inputs) {
    return result(op::Einsum{equation}, inputs);
  };
  EXPECT_EQ(einsum("bij, bjk -> bik", {floats({kN, 2, 3}), floats({kN, 3, 4})}), "[N, 2, 4]");
  EXPECT_EQ(einsum("...ii->...i", {floats({5, 2, 2})}), "[5, 2]");
  EXPECT_EQ(einsum("ij,jk", {floats({2, 3}), floats({3, 4})}), "[2, 4]");
  EXPECT_THROW(einsum("ij->ik", {floats({2, 3})}), Error);
  EXPECT_THROW(einsum("ij", {floats({2, 3, 4})}), Error);
  EXPECT_THROW(einsum("i;j", {floats({2, 3})}), Error);
  EXPECT_THROW(einsum("ij,jk->ik", {floats({2, 3}), floats({4, 5})}), Error);
}

TEST(Facts, TransposedConvolutionsGrow) {
  op::ConvTranspose conv = {square_window(3, 2, 1), 1, {}, {}};
  const std::vector<Fact> inputs = {floats({kN, 4, 5, 5}), floats({4, 6, 3, 3})};
  EXPECT_EQ(result(conv, inputs), "[N, 6, 9, 9]");
  conv.output_padding = {1, 1};
  EXPECT_EQ(result(conv, inputs), "[N, 6, 10, 10]");
  conv.window.auto_pad = AutoPad::kSameUpper;
  EXPECT_EQ(result(conv, inputs), "[N, 6, 10, 10]");
}

}  // namespace
}  // namespace narrow
