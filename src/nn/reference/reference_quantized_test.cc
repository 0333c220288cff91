// Operators on codes, with a state, and with branches, on numbers worked out by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "graph/constants.h"
#include "graph/graph.h"
#include "graph/graph_builder.h"
#include "nn/reference/reference_network.h"
#include "nn/reference/reference_operators.h"

namespace narrow {
namespace {

ReferenceTensor reals(Shape shape, std::vector<double> values, DType type = DType::kFloat32) {
  return {std::move(shape), std::move(values), type};
}

ReferenceTensor codes(Shape shape, std::vector<std::int64_t> values, DType type = DType::kUInt8) {
  return {std::move(shape), {}, type, std::move(values)};
}

std::vector<ReferenceTensor> run(const Attributes& attributes,
                                 const std::vector<ReferenceTensor>& inputs) {
  std::vector<const ReferenceTensor*> read;
  for (const ReferenceTensor& input : inputs) read.push_back(&input);
  return run_operator_results(attributes, read);
}

using Codes = std::vector<std::int64_t>;

TEST(ReferenceQuantized, CodesAreTheNearestWithTiesToEvenWithinTheirRange) {
  const ReferenceTensor x = reals({6}, {0.5, 1.5, 2.5, -1000, 1000, NAN});
  EXPECT_EQ(run(op::QuantizeLinear{}, {x, reals({}, {1}), codes({}, {10})})[0].integers,
            (Codes{10, 12, 12, 0, 255, 0}));
  const op::QuantizeLinear four = {DType::kInt8, SmallType::kInt4, 0, 0, true};
  EXPECT_EQ(run(four, {x, reals({}, {1})})[0].integers, (Codes{0, 2, 2, -8, 7, -8}));
}

// 1 / 3 in float32 times the reciprocal of 0.1 is another code than the quotient.
TEST(ReferenceQuantized, ScalesDivideInFloat32) {
  const float scale = 0.0031415927F;
  for (int i = 0; i < 1000; ++i) {
    const float x = static_cast<float>(i) * 0.00077F;
    const auto expected = static_cast<std::int64_t>(std::nearbyint(x / scale));
    const ReferenceTensor y = run(op::QuantizeLinear{}, {reals({1}, {x}), reals({}, {scale})})[0];
    EXPECT_EQ(y.integers[0], std::min<std::int64_t>(expected, 255)) << i;
  }
}

TEST(ReferenceQuantized, AxesAndBlocksHaveTheirScales) {
  const ReferenceTensor x = codes({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(run(op::DequantizeLinear{0, 0}, {x, reals({2}, {1, 10}), codes({2}, {0, 4})})[0].values,
            (std::vector<double>{1, 2, 3, 0, 10, 20}));
  EXPECT_EQ(run(op::DequantizeLinear{1, 2}, {x, reals({2, 2}, {1, 10, 100, 1000})})[0].values,
            (std::vector<double>{1, 2, 30, 400, 500, 6000}));
}

TEST(ReferenceQuantized, ARangeBecomesScaleAndZeroPoint) {
  const auto results = run(op::DynamicQuantizeLinear{}, {reals({3}, {-1, 0, 4.1})});
  const float scale = (4.1F + 1.0F) / 255;
  EXPECT_FLOAT_EQ(static_cast<float>(results[1].values[0]), scale);
  EXPECT_EQ(results[2].integers, Codes{50});
  EXPECT_EQ(results[0].integers, (Codes{0, 50, 255}));
}

TEST(ReferenceQuantized, PaddingIsTheZeroPoint) {
  const Window window = square_window(3, 1, 1);
  const ReferenceTensor x = codes({1, 1, 1, 1}, {7});
  const ReferenceTensor weights = codes({1, 1, 3, 3}, Codes(9, 3), DType::kInt8);
  EXPECT_EQ(run(op::ConvInteger{window, 1}, {x, weights, codes({}, {5})})[0].integers, Codes{6});
  const auto y = run(
      op::QLinearConv{window, 1},
      {x, reals({}, {0.5}), codes({}, {5}), weights, reals({1}, {2}), codes({1}, {1}, DType::kInt8),
       reals({}, {0.25}), codes({}, {3}), codes({1}, {10}, DType::kInt32)});
  EXPECT_EQ(y[0].integers, Codes{(2 * 2 + 10) * 4 + 3});
}

TEST(ReferenceQuantized, RowsAndColumnsHaveTheirScales) {
  const ReferenceTensor a = codes({2, 2}, {1, 2, 3, 4});
  const ReferenceTensor b = codes({2, 2}, {1, 0, 0, 1}, DType::kInt8);
  const ReferenceTensor none = codes({}, {0}, DType::kInt8);
  const auto y = run(op::QLinearMatMul{}, {a, reals({2}, {1, 10}), codes({}, {0}), b,
                                           reals({2}, {1, 2}), none, reals({}, {1}), none});
  EXPECT_EQ(y[0].integers, (Codes{1, 4, 30, 80}));
  EXPECT_EQ(run(op::MatMulInteger{}, {a, b, codes({2}, {1, 3})})[0].integers, (Codes{0, 1, 0, 1}));
}

op::Recurrent recurrent(op::RecurrentKind kind, std::size_t functions) {
  op::Recurrent result;
  result.kind = kind;
  // f(x) = x, so that results can be worked out.
  result.activations.assign(functions, {op::CellFunction::kAffine, 1, 0});
  return result;
}

TEST(ReferenceRecurrent, StatesGoFromStepToStepInBothDirections) {
  op::Recurrent rnn = recurrent(op::RecurrentKind::kRnn, 2);
  rnn.direction = op::Direction::kBoth;
  const auto y =
      run(rnn, {reals({3, 1, 1}, {1, 2, 3}), reals({2, 1, 1}, {1, 1}), reals({2, 1, 1}, {10, 10})});
  EXPECT_EQ(y[0].values, (std::vector<double>{1, 321, 12, 32, 123, 3}));
  EXPECT_EQ(y[1].values, (std::vector<double>{123, 321}));
}

TEST(ReferenceRecurrent, GatesOfALstm) {
  // Gates are 1, 2, 3 and 4 times x: cell = input * candidate, state = output * cell.
  const auto y = run(
      recurrent(op::RecurrentKind::kLstm, 3),
      {reals({2, 1, 1}, {1, 1}), reals({1, 4, 1}, {1, 2, 3, 4}), reals({1, 4, 1}, {0, 0, 0, 0})});
  EXPECT_EQ(y[2].values, std::vector<double>{3 * 4 + 4});
  EXPECT_EQ(y[0].values, (std::vector<double>{8, 32}));
}

TEST(ReferenceRecurrent, GatesOfAGru) {
  // update = 0.5, reset = 2, candidate = x + reset * state.
  const auto y =
      run(recurrent(op::RecurrentKind::kGru, 2),
          {reals({2, 1, 1}, {1, 1}), reals({1, 3, 1}, {0.5, 2, 1}), reals({1, 3, 1}, {0, 0, 1})});
  EXPECT_EQ(y[0].values, (std::vector<double>{0.5, 0.5 * (1 + 2 * 0.5) + 0.25}));
}

// A graph that adds `count` to its input.
std::shared_ptr<const Graph> adder(double count) {
  auto graph = std::make_shared<Graph>();
  graph->values.resize(3);
  graph->values[0].name = "x";
  graph->values[0].dimensions = {Dimension::free("N")};
  graph->values[1].name = "count";
  graph->values[1].constant = 0;
  graph->values[2].name = "y";
  graph->constants = {reals({}, {count}).as_constant()};
  graph->nodes = {{"add", op::Add{}, {0, 1}, {2}}};
  graph->inputs = {0};
  graph->outputs = {2};
  return graph;
}

TEST(ReferenceControl, TheConditionChoosesTheBranch) {
  const op::If branches = {adder(1), adder(2)};
  for (const std::int64_t condition : {0, 1}) {
    const auto y = run(branches, {codes({}, {condition}, DType::kBool), reals({2}, {10, 20})});
    EXPECT_EQ(y[0].values,
              condition == 1 ? (std::vector<double>{11, 21}) : (std::vector<double>{12, 22}));
  }
  EXPECT_EQ(branches, (op::If{adder(1), adder(2)}));
  EXPECT_NE(branches, (op::If{adder(1), adder(3)}));
}

// Two states' worth of sums: s + x, which is given as the next state and as an entry.
std::shared_ptr<const Graph> running_sum() {
  GraphBuilder builder("sum");
  const ValueId state = builder.input("state", {2});
  const ValueId sum = builder.add("y", op::Add{}, {state, builder.input("x", {2})});
  return std::make_shared<Graph>(
      builder.finish({sum, builder.add("entry", op::Identity{}, {sum})}));
}

TEST(ReferenceControl, ScansGoAlongAnyAxisEitherWay) {
  op::Scan scan = {running_sum(), 1, {{1, false}}, {{-1, true}}};
  const ReferenceTensor x = reals({2, 3}, {1, 2, 3, 10, 20, 30});
  auto y = run(scan, {reals({2}, {0, 0}), x});
  EXPECT_EQ(y[0].values, (std::vector<double>{6, 60}));
  EXPECT_EQ(y[1].shape, (Shape{2, 3}));
  EXPECT_EQ(y[1].values, (std::vector<double>{6, 3, 1, 60, 30, 10}));
  scan.inputs = {{1, true}};
  scan.outputs = {{0, false}};
  y = run(scan, {reals({2}, {0, 0}), x});
  EXPECT_EQ(y[1].values, (std::vector<double>{3, 30, 5, 50, 6, 60}));
  y = run(scan, {reals({2}, {7, 8}), reals({2, 0}, {})});
  EXPECT_EQ(y[0].values, (std::vector<double>{7, 8}));
  EXPECT_EQ(y[1].shape, (Shape{0, 2}));
}

// Doubles the state while it is less than a limit.
op::Loop doubling(double limit) {
  GraphBuilder builder("double");
  builder.input("round", {}, DType::kInt64);
  builder.input("condition", {}, DType::kBool);
  const ValueId state = builder.input("state", {});
  const ValueId twice = builder.add("twice", op::Add{}, {state, state});
  const ValueId goes_on =
      builder.add("goes_on", op::Compare{op::CompareKind::kLess},
                  {twice, builder.constant("limit", make_scalar(DType::kFloat32, limit))});
  return {std::make_shared<Graph>(builder.finish({goes_on, twice, twice})), 1};
}

TEST(ReferenceControl, LoopsEndByTheirNumberOrTheirCondition) {
  const auto loop = [](double limit, const ReferenceTensor& rounds, std::int64_t condition) {
    return run(doubling(limit), {rounds, codes({}, {condition}, DType::kBool), reals({}, {1})});
  };
  auto y = loop(100, codes({}, {3}, DType::kInt64), 1);
  EXPECT_EQ(y[0].values, (std::vector<double>{8}));
  EXPECT_EQ(y[1].shape, (Shape{3}));
  EXPECT_EQ(y[1].values, (std::vector<double>{2, 4, 8}));
  y = loop(10, codes({1}, {100}, DType::kInt64), 1);
  EXPECT_EQ(y[0].values, (std::vector<double>{16}));
  y = loop(10, codes({}, {100}, DType::kInt64), 0);
  EXPECT_EQ(y[0].values, (std::vector<double>{1}));
  EXPECT_EQ(y[1].shape, (Shape{0}));
}

}  // namespace
}  // namespace narrow
