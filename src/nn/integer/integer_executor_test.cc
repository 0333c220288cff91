// Integers against the operators that define them: QLinearConv for sums of products, and for
// everything else the float32 graph itself, which is then exact.
#include "nn/integer/integer_executor.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cmath>
#include <cstdint>

#include "base/testing/expected_error.h"
#include "graph/shapes.h"
#include "nn/integer/testing/quantized_builder.h"
#include "nn/reference/reference_network.h"

namespace narrow {
namespace {

GraphArray hashed_array(Shape shape, double least, double greatest, std::uint32_t seed) {
  std::vector<double> values(static_cast<std::size_t>(element_count(shape)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = least + (greatest - least) * hashed_uniform(seed + static_cast<std::uint32_t>(i));
  }
  return {DType::kFloat32, std::move(shape), encode_reals(DType::kFloat32, values)};
}

GraphArray no_weight(const Weight& /*weight*/) { return {}; }

GraphArray run_integers(const Graph& graph, const GraphArray& input) {
  const IntegerExecutor executor(graph, no_weight, {1, false});
  return executor.run(std::span(&input, 1), nullptr).front();
}

GraphArray run_float(const Graph& graph, const GraphArray& input) {
  const auto none = [](const Weight& /*weight*/) { return ReferenceTensor(); };
  return run_reference(graph, none, {ReferenceTensor::of(input)}, {}).front().as_constant();
}

std::vector<StepKind> kinds(const Graph& graph) {
  const IntegerExecutor executor(graph, no_weight, {1, false});
  std::vector<StepKind> found;
  for (const QuantizedStep& step : executor.quantized().steps()) found.push_back(step.kind);
  return found;
}

struct ConvCase {
  std::int64_t in = 3;
  std::int64_t out = 5;
  std::int64_t group = 1;
  Window window = square_window(3, 1, 1);
  TestFormat x;
  TestFormat y;
  bool per_channel = true;
  DType weights = DType::kInt8;  // of kUInt8, some do not fit in signed bytes
};

// Rows of more pixels than kernels take at once.
Shape image_shape(std::int64_t channels) { return {2, channels, 5, 17}; }

// The same convolution twice: as quantized operators between float ones, and as QLinearConv.
class ConvTest : public testing::TestWithParam<std::int64_t> {
 protected:
  ConvTest() {
    hwy::SetSupportedTargetsForTest(GetParam());
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  ~ConvTest() override {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }

  static void expect_equal(const ConvCase& conv) {
    const std::int64_t taps = conv.window.kernel[0] * conv.window.kernel[1];
    const Shape shape = {conv.out, conv.in / conv.group, conv.window.kernel[0],
                         conv.window.kernel[1]};
    const auto count = static_cast<std::size_t>(conv.out * conv.in / conv.group * taps);
    const DType type = conv.weights;
    const auto weights = type == DType::kInt8 ? hashed_integers(count, -127, 127, 7)
                                              : hashed_integers(count, 0, 255, 7);
    const auto biases = hashed_integers(static_cast<std::size_t>(conv.out), -3000, 3000, 99);
    std::vector<double> scales;
    std::vector<double> units;
    for (std::int64_t c = 0; c < (conv.per_channel ? conv.out : 1); ++c) {
      const auto scale = static_cast<float>(0.001 * (1 + 0.37 * static_cast<double>(c)));
      scales.push_back(scale);
      units.push_back(static_cast<float>(conv.x.scale) * scale);
    }
    QuantizedBuilder one("qdq");
    const ValueId image = one.input("x", {2, conv.in, 5, 17});
    const ValueId x = one.round(image, conv.x);
    const ValueId w = one.stored(shape, weights, scales, 0, type);
    const ValueId b = one.stored({conv.out}, biases, units, 0, DType::kInt32);
    const ValueId y = one.add("conv", op::Conv{conv.window, conv.group}, {x, w, b});
    const Graph graph = one.finish({one.quantize(y, conv.y)});

    QuantizedBuilder other("qlinear");
    const ValueId codes = other.quantize(other.input("x", {2, conv.in, 5, 17}), conv.x);
    const Shape by = scales.size() == 1 ? Shape{} : Shape{conv.out};
    const ValueId z = other.add(
        "conv", op::QLinearConv{conv.window, conv.group},
        {codes, other.reals({}, {conv.x.scale}), other.integers(conv.x.type, {}, {conv.x.zero}),
         other.integers(type, shape, weights), other.reals(by, scales),
         other.integers(type, {}, {0}), other.reals({}, {conv.y.scale}),
         other.integers(conv.y.type, {}, {conv.y.zero}),
         other.integers(DType::kInt32, {conv.out}, biases)});
    const Graph expected = other.finish({z});

    const GraphArray input = hashed_array(image_shape(conv.in), -6, 13, 5);
    EXPECT_EQ(kinds(graph), (std::vector{StepKind::kQuantize, StepKind::kLinear}));
    const GraphArray result = run_integers(graph, input);
    EXPECT_EQ(result, run_float(expected, input))
        << conv.in << " to " << conv.out << " in " << conv.group;
    // QLinearConv itself goes through the same kernels.
    EXPECT_EQ(kinds(expected), kinds(graph));
    EXPECT_EQ(run_integers(expected, input), result);
  }
};

TEST_P(ConvTest, SumsAreThoseOfQLinearConv) {
  const TestFormat x = {0.07, 31, DType::kUInt8};
  const TestFormat y = {0.11, 100, DType::kUInt8};
  expect_equal({3, 5, 1, square_window(3, 1, 1), x, y, true});
  expect_equal({4, 40, 1, square_window(1, 1), x, y, true});
  expect_equal({7, 24, 1, same_window(3, 2), x, y, false});
  expect_equal(
      {6, 16, 1, square_window(5, 2, 2), {0.1, -3, DType::kInt8}, {0.2, 5, DType::kInt8}, true});
  Window dilated = square_window(3, 1, 2);
  dilated.dilations = {2, 2};
  expect_equal({2, 9, 1, dilated, x, y, true});
  expect_equal({5, 33, 1, square_window(3, 1, 1), x, y, true, DType::kUInt8});
  expect_equal({70, 17, 1, square_window(1, 2), {0.1, -3, DType::kInt8}, y, true});
}

TEST_P(ConvTest, GroupsAreThoseOfQLinearConv) {
  const TestFormat x = {0.07, 31, DType::kUInt8};
  const TestFormat y = {0.08, 120, DType::kUInt8};
  expect_equal({19, 19, 19, same_window(3, 2), x, y, true});
  expect_equal({16, 16, 4, square_window(3, 1, 1), x, y, true});
  expect_equal({6, 9, 3, square_window(3, 1, 1), x, y, true});
  expect_equal({4, 8, 4, square_window(3, 1, 1), x, y, false});
  expect_equal({64, 32, 2, square_window(1, 1), x, y, true});
  expect_equal({18, 18, 18, square_window(3, 1, 1), {0.1, -3, DType::kInt8}, y, true});
  expect_equal({18, 18, 18, square_window(5, 1, 2), x, y, true});
  expect_equal({33, 33, 33, same_window(5, 2), x, y, true});
  expect_equal({3, 3, 3, square_window(3, 3, 1), x, y, true});
  expect_equal({18, 18, 18, square_window(5, 1, 2), x, y, true, DType::kUInt8});
}

INSTANTIATE_TEST_SUITE_P(AllTargets, ConvTest, testing::ValuesIn([] {
                           std::vector<std::int64_t> targets;
                           std::int64_t left = hwy::SupportedTargets();
                           while (left != 0) {
                             targets.push_back(left & -left);
                             left &= left - 1;
                           }
                           return targets;
                         }()),
                         [](const auto& target) {
                           return std::string(hwy::TargetName(target.param));
                         });

// Whatever does not add up many products is the same in float32.
void expect_as_in_float(const Graph& graph, const GraphArray& input,
                        const std::vector<StepKind>& expected) {
  EXPECT_EQ(kinds(graph), expected);
  EXPECT_EQ(run_integers(graph, input), run_float(graph, input));
}

constexpr TestFormat kX = {0.05, 100, DType::kUInt8};
constexpr TestFormat kY = {0.09, 33, DType::kUInt8};

TEST(IntegerExecutor, AddsInFloat32) {
  QuantizedBuilder builder("sum");
  const ValueId image = builder.input("x", {2, 5, 3, 3});
  const ValueId a = builder.round(image, kX);
  const ValueId b = builder.round(image, {0.013, -7, DType::kInt8});
  const ValueId sum = builder.add("sum", op::Add{}, {a, b});
  const ValueId relu = builder.add("relu", op::Relu{}, {sum});
  const Graph graph = builder.finish({builder.quantize(relu, kY)});
  expect_as_in_float(graph, hashed_array({2, 5, 3, 3}, -8, 8, 3),
                     {StepKind::kQuantize, StepKind::kQuantize, StepKind::kAdd});
}

// Codes of types with and without a sign are stored apart from each other.
TEST(IntegerExecutor, MovesCodesBetweenTypes) {
  QuantizedBuilder builder("types");
  const ValueId x = builder.round(builder.input("x", {2, 5, 4, 4}), {0.05, 0, DType::kInt8});
  const ValueId relu = builder.add("relu", op::Relu{}, {x});
  const ValueId positive = builder.round(relu, {0.05, 0, DType::kInt8});
  const ValueId pool = builder.add("pool", op::MaxPool{square_window(2, 2)}, {positive});
  const ValueId y = builder.round(pool, {0.05, 0, DType::kUInt8});
  const ValueId mean = builder.add("mean", op::AveragePool{square_window(2, 2)}, {y});
  const Graph graph = builder.finish({builder.quantize(mean, {0.03, -5, DType::kInt8})});
  expect_as_in_float(graph, hashed_array({2, 5, 4, 4}, -5, 7, 3),
                     {StepKind::kQuantize, StepKind::kTable, StepKind::kMove, StepKind::kMean});
}

// One value of 16 bits, and all are held so.
TEST(IntegerExecutor, WidthsMayDiffer) {
  QuantizedBuilder builder("widths");
  const ValueId x = builder.round(builder.input("x", {2, 5, 4, 4}), kX);
  const ValueId wide =
      builder.round(builder.add("twice", op::Add{}, {x, x}), {1.0 / 1024, -77, DType::kInt16});
  const ValueId sum = builder.add("sum", op::Add{}, {x, wide});
  const Graph graph = builder.finish({builder.quantize(sum, kY)});
  expect_as_in_float(graph, hashed_array({2, 5, 4, 4}, -5, 9, 3),
                     {StepKind::kQuantize, StepKind::kAdd, StepKind::kAdd});
}

TEST(IntegerExecutor, FunctionsOfOneElementAreTables) {
  QuantizedBuilder builder("functions");
  const ValueId x = builder.round(builder.input("x", {3, 4}), kX);
  const ValueId swish = builder.add("swish", op::Unary{op::UnaryKind::kHardSwish}, {x});
  const ValueId sigmoid = builder.add("sigmoid", op::Unary{op::UnaryKind::kSigmoid}, {swish});
  const Graph graph = builder.finish({builder.quantize(sigmoid, {1.0 / 256, 0, DType::kUInt8})});
  expect_as_in_float(graph, hashed_array({3, 4}, -5, 9, 3),
                     {StepKind::kQuantize, StepKind::kTable});
}

TEST(IntegerExecutor, MovesCodesAndTheLargest) {
  QuantizedBuilder builder("moves");
  const ValueId x = builder.round(builder.input("x", {2, 5, 7, 6}), kX);
  const ValueId pool = builder.add("pool", op::MaxPool{square_window(3, 2, 1)}, {x});
  const ValueId same = builder.round(pool, kX);
  const ValueId turned = builder.add("turned", op::Transpose{{0, 1, 3, 2}}, {same});
  const ValueId back =
      builder.add("back", op::Transpose{{0, 1, 3, 2}}, {builder.round(turned, kY)});
  const ValueId all = builder.add("all", op::Concat{1}, {same, builder.round(back, kY)});
  const Graph graph = builder.finish({builder.quantize(all, {0.1, 80, DType::kUInt8})});
  expect_as_in_float(
      graph, hashed_array({2, 5, 7, 6}, -7, 9, 3),
      {StepKind::kQuantize, StepKind::kMove, StepKind::kMove, StepKind::kMove, StepKind::kMove});
}

TEST(IntegerExecutor, WindowsOfPaddingAloneGiveTheLeast) {
  QuantizedBuilder builder("padding");
  const ValueId x = builder.round(builder.input("x", {1, 3, 4, 4}), kX);
  const ValueId pool = builder.add("pool", op::MaxPool{square_window(1, 1, 1)}, {x});
  const ValueId same = builder.round(pool, kX);
  const ValueId swish = builder.add("swish", op::Unary{op::UnaryKind::kHardSwish}, {same});
  const Graph graph = builder.finish({builder.quantize(swish, kY)});
  expect_as_in_float(graph, hashed_array({1, 3, 4, 4}, -4, 7, 3),
                     {StepKind::kQuantize, StepKind::kMove, StepKind::kTable});
}

// Clip gives its greatest number then, which is no bound of codes around 0 here.
TEST(IntegerExecutor, BoundsMayContradictEachOther) {
  QuantizedBuilder builder("bounds");
  const ValueId x = builder.round(builder.input("x", {2, 6}), kX);
  const ValueId sum = builder.add("sum", op::Add{}, {x, x});
  const ValueId clip =
      builder.add("clip", op::Clip{}, {sum, builder.reals({}, {0}), builder.reals({}, {-2})});
  const Graph graph = builder.finish({builder.quantize(clip, kY)});
  const GraphArray input = hashed_array({2, 6}, -3, 7, 3);
  EXPECT_EQ(run_integers(graph, input), run_float(graph, input));
}

TEST(IntegerExecutor, SumsBeyondWhatIsExactAreRefused) {
  const auto make = [](double bias, DType type, std::int64_t greatest) {
    QuantizedBuilder builder("large");
    const ValueId x = builder.round(builder.input("x", {1, 512}), {0.5, 0, DType::kUInt16});
    const std::vector<std::int64_t> codes(512, greatest);
    const ValueId w = builder.stored({512, 1}, codes, {0.5}, 1, type);
    const ValueId y = builder.add("gemm", op::Gemm{}, {x, w, builder.reals({1}, {bias})});
    return builder.finish({y});
  };
  const auto refused = [&](const Graph& graph) {
    return error_message(ErrorCategory::kUnsupported, [&] {
      const IntegerExecutor executor(graph, no_weight, {1, false});
    });
  };
  EXPECT_EQ(refused(make(0, DType::kInt32, INT32_MAX)),
            "gemm of large: its sums need 57 bits, expected at most 53");
  EXPECT_EQ(refused(make(1e30, DType::kInt8, 1)),
            "gemm of large: its bias 1e+30 has 4e+30 units of 0.25, expected fewer than 2^53");
  EXPECT_EQ(refused(make(INFINITY, DType::kInt8, 1)),
            "gemm of large: its bias inf has inf units of 0.25, expected fewer than 2^53");
}

// As files of QOperator have it: codes are moved as they are.
TEST(IntegerExecutor, OperatorsOnCodesAreExpanded) {
  QuantizedBuilder builder("codes");
  const ValueId codes = builder.quantize(builder.input("x", {2, 3, 6, 6}), kX);
  const ValueId pool = builder.add("pool", op::MaxPool{square_window(2, 2)}, {codes});
  const ValueId row = builder.add("row", op::Flatten{}, {pool});
  const ValueId y =
      builder.add("product", op::QLinearMatMul{},
                  {row, builder.reals({}, {kX.scale}), builder.integers(kX.type, {}, {kX.zero}),
                   builder.integers(DType::kInt8, {27, 4}, hashed_integers(108, -127, 127, 5)),
                   builder.reals({4}, {0.01, 0.02, 0.03, 0.04}),
                   builder.integers(DType::kInt8, {4}, {0, 0, 0, 0}), builder.reals({}, {0.4}),
                   builder.integers(DType::kUInt8, {}, {111})});
  const Graph graph = builder.finish({y});
  expect_as_in_float(graph, hashed_array({2, 3, 6, 6}, -7, 9, 3),
                     {StepKind::kQuantize, StepKind::kMove, StepKind::kMove, StepKind::kLinear});
}

// With scales that are powers of two nothing in float32 is rounded but the last step.
TEST(IntegerExecutor, ProductsAndMeansAreExact) {
  constexpr TestFormat kHalf = {1.0 / 16, 90, DType::kUInt8};
  QuantizedBuilder builder("products");
  const ValueId x = builder.round(builder.input("x", {2, 5, 4, 4}), kHalf);
  const ValueId mean = builder.add("mean", op::GlobalAveragePool{}, {x});
  const ValueId share = builder.round(mean, {1.0 / 32, 120, DType::kUInt8});
  const ValueId scaled = builder.add("scaled", op::Binary{op::BinaryKind::kMul}, {x, share});
  const ValueId rounded = builder.round(scaled, {1.0 / 4, 100, DType::kUInt8});
  const ValueId pool = builder.add("pool", op::AveragePool{square_window(2, 2)}, {rounded});
  const Graph graph = builder.finish({builder.quantize(pool, {1.0 / 2, 128, DType::kUInt8})});
  expect_as_in_float(graph, hashed_array({2, 5, 4, 4}, -4, 6, 11),
                     {StepKind::kQuantize, StepKind::kMean, StepKind::kMul, StepKind::kMean});
}

TEST(IntegerExecutor, RowsOfMatricesAndLogitsInFloat) {
  QuantizedBuilder builder("rows");
  const ValueId x = builder.round(builder.input("x", {2, 3, 7}), {1.0 / 16, 40, DType::kUInt8});
  const ValueId w = builder.stored({7, 5}, hashed_integers(35, -127, 127, 3), {1.0 / 64}, 1);
  const ValueId y = builder.add("product", op::MatMul{}, {x, w});
  const ValueId rounded = builder.round(y, {1.0 / 4, 120, DType::kUInt8});
  const ValueId row = builder.add("row", op::Flatten{}, {rounded});
  const ValueId same = builder.round(row, {1.0 / 4, 120, DType::kUInt8});
  const ValueId v = builder.stored({4, 15}, hashed_integers(60, -127, 127, 31), {1.0 / 128}, 0);
  const ValueId bias = builder.reals({4}, {1, -2, 3, 0.25});
  op::Gemm gemm;
  gemm.transpose_b = true;
  const Graph graph = builder.finish({builder.add("gemm", gemm, {same, v, bias})});
  expect_as_in_float(graph, hashed_array({2, 3, 7}, -2, 13, 3),
                     {StepKind::kQuantize, StepKind::kLinear, StepKind::kMove, StepKind::kLinear});
}

TEST(IntegerExecutor, SixteenBitsAreExactToo) {
  constexpr TestFormat kWide = {1.0 / 4096, 32000, DType::kUInt16};
  QuantizedBuilder builder("wide");
  const ValueId x = builder.round(builder.input("x", {1, 2, 4, 4}), kWide);
  const ValueId w = builder.stored({3, 2, 3, 3}, hashed_integers(54, -32767, 32767, 3),
                                   {1.0 / 32768}, 0, DType::kInt16);
  const ValueId y = builder.add("conv", op::Conv{square_window(3, 1, 1), 1}, {x, w});
  const Graph graph = builder.finish({builder.quantize(y, {1.0 / 1024, 30000, DType::kUInt16})});
  const GraphArray input = hashed_array({1, 2, 4, 4}, -7, 7, 3);
  EXPECT_EQ(kinds(graph), (std::vector{StepKind::kQuantize, StepKind::kLinear}));
  // The sums of products of such codes need more than 24 bits: in double they are exact.
  const auto weights = ReferenceWeights();
  const auto values = run_reference(graph, weights, {ReferenceTensor::of(input)});
  const std::vector<std::int64_t> found = ReferenceTensor::of(run_integers(graph, input)).integers;
  const std::vector<std::int64_t>& exact =
      values[static_cast<std::size_t>(graph.outputs[0])].integers;
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_LE(std::abs(found[i] - exact[i]), 1) << i;
}

TEST(IntegerExecutor, AccumulatorsAreAsWideAsTheCodesAllow) {
  QuantizedBuilder builder("bounds");
  const ValueId x = builder.round(builder.input("x", {1, 2}), {0.1, 10, DType::kUInt8});
  const ValueId w = builder.stored({2, 1}, {100, -3}, {0.5}, 1);
  const Graph graph = builder.finish({builder.add("product", op::MatMul{}, {x, w})});
  const IntegerExecutor executor(graph, no_weight, {1, false});
  ASSERT_EQ(executor.accumulators().size(), 1U);
  const AccumulatorUse& use = executor.accumulators()[0];
  EXPECT_EQ(use.node, "product");
  EXPECT_EQ(use.bounds.least, 100 * -10 - 3 * 245);
  EXPECT_EQ(use.bounds.greatest, 100 * 245 + 3 * 10);
  EXPECT_EQ(use.bounds.bits(), 16);
}

// A value that somebody else reads in float32, and operators without an integer form.
TEST(IntegerExecutor, TheRestIsComputedInFloat) {
  QuantizedBuilder builder("rest");
  const ValueId x = builder.round(builder.input("x", {2, 6}), kX);
  const ValueId softmax = builder.add("softmax", op::Softmax{1}, {x});
  const ValueId sum = builder.add("sum", op::Add{}, {softmax, x});
  const Graph graph = builder.finish({builder.quantize(sum, kY), x});
  expect_as_in_float(graph, hashed_array({2, 6}, -3, 7, 3),
                     {StepKind::kQuantize, StepKind::kDequantize, StepKind::kFloat,
                      StepKind::kFloat, StepKind::kQuantize});
}

// Through a node with several results, too.
TEST(IntegerExecutor, ExamplesMayBeComputedAtOnce) {
  QuantizedBuilder builder("examples");
  const ValueId x = builder.round(builder.input("x", {Dimension::free("N"), 8}), kX);
  const std::vector<ValueId> parts = builder.add_node("parts", op::Split{1, 2}, {x}, 2);
  const ValueId share = builder.add("share", op::Softmax{1}, {parts[1]});
  const ValueId sum = builder.add("sum", op::Add{}, {parts[0], share});
  const Graph graph = builder.finish({builder.quantize(sum, kY)});
  const GraphArray input = hashed_array({64, 8}, -3, 7, 3);
  const GraphArray expected = run_float(graph, input);
  for (const int threads : {1, 4}) {
    const IntegerExecutor executor(graph, no_weight, {threads, true});
    EXPECT_EQ(executor.run(std::span(&input, 1), nullptr).front(), expected) << threads;
  }
}

}  // namespace
}  // namespace narrow
