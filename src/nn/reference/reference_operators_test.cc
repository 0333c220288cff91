#include "nn/reference/reference_operators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <ostream>
#include <string>

#include "graph/testing/hashed_values.h"

namespace narrow {
namespace {

// Nothing stands for an input that is left out.
ReferenceTensor run(const Attributes& attributes,
                    const std::vector<std::optional<ReferenceTensor>>& inputs) {
  std::vector<const ReferenceTensor*> pointers;
  for (const auto& input : inputs) pointers.push_back(input ? &*input : nullptr);
  return run_operator(attributes, pointers);
}

ReferenceTensor hashed(const Shape& shape, std::uint32_t seed) {
  ReferenceTensor tensor = ReferenceTensor::zeros(shape);
  for (double& value : tensor.values) value = 2 * hashed_uniform(seed++) - 1;
  return tensor;
}

auto are_near(const std::vector<double>& expected) {
  return testing::Pointwise(testing::DoubleNear(1e-12), expected);
}

TEST(ReferenceTensor, IsZeroAtFirst) {
  const ReferenceTensor tensor = ReferenceTensor::zeros({2, 3});
  EXPECT_EQ(tensor.shape, (Shape{2, 3}));
  EXPECT_EQ(tensor.values, std::vector<double>(6, 0.0));
}

TEST(Conv, OfSmallNumbers) {
  const ReferenceTensor x = {{1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}};
  const ReferenceTensor w = {{1, 1, 2, 2}, {1, 0, 0, -1}};
  const op::Conv conv = {square_window(2, 1)};
  const ReferenceTensor y = run(conv, {x, w});
  EXPECT_EQ(y.shape, (Shape{1, 1, 2, 2}));
  EXPECT_THAT(y.values, testing::ElementsAre(-4, -4, -4, -4));
  EXPECT_EQ(run(conv, {x, w, std::nullopt}).values, y.values);
  EXPECT_THAT(run(conv, {x, w, ReferenceTensor{{1}, {0.5}}}).values,
              testing::ElementsAre(-3.5, -3.5, -3.5, -3.5));
}

TEST(Conv, AddsNothingForPadding) {
  const op::Conv conv = {{{3}, {1}, {1}, {1, 1}, AutoPad::kNotSet}};
  const ReferenceTensor x = {{1, 1, 3}, {1, 2, 3}};
  const ReferenceTensor w = {{1, 1, 3}, {1, 10, 100}};
  EXPECT_THAT(run(conv, {x, w}).values, testing::ElementsAre(210, 321, 32));
}

struct ConvCase {
  std::string name;
  op::Conv conv;
  Shape x;
  Shape weights;
  Shape y;                           // worked out by hand
  std::vector<std::int64_t> before;  // elements of padding ahead of each axis, by hand
};

void PrintTo(const ConvCase& test_case, std::ostream* out) { *out << test_case.name; }

// Every input element is carried to where it adds to the result, the other way round than the
// definition. Three axes stand for fewer ones.
class ScatteredConv {
 public:
  explicit ScatteredConv(const ConvCase& test_case) : conv_(test_case.conv) {
    const std::size_t missing = 3 - conv_.window.rank();
    for (std::size_t axis = 0; axis < conv_.window.rank(); ++axis) {
      axes_[missing + axis] = {test_case.x[axis + 2],        test_case.y[axis + 2],
                               conv_.window.kernel[axis],    conv_.window.strides[axis],
                               conv_.window.dilations[axis], test_case.before[axis]};
    }
  }

  std::vector<double> run(const ReferenceTensor& x, const ReferenceTensor& weights,
                          const std::vector<double>& biases) const {
    const std::int64_t images = x.shape[0];
    const std::int64_t in_channels = x.shape[1];
    const std::int64_t out_channels = weights.shape[0];
    const std::int64_t out_pixels = axes_[0].out * axes_[1].out * axes_[2].out;
    std::vector<double> y(static_cast<std::size_t>(images * out_channels * out_pixels));
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = biases[i / static_cast<std::size_t>(out_pixels) % biases.size()];
    }
    for (std::int64_t image = 0; image < images; ++image) {
      for (std::int64_t in = 0; in < in_channels; ++in) {
        for (std::int64_t out = 0; out < out_channels; ++out) {
          if (in * conv_.group / in_channels != out * conv_.group / out_channels) continue;
          const std::int64_t of_group = in % weights.shape[1];
          scatter(&x.values[index(image * in_channels + in, in_pixels())],
                  &weights.values[index(out * weights.shape[1] + of_group, taps())],
                  &y[index(image * out_channels + out, out_pixels)]);
        }
      }
    }
    return y;
  }

 private:
  struct Axis {
    std::int64_t in = 1;
    std::int64_t out = 1;
    std::int64_t kernel = 1;
    std::int64_t stride = 1;
    std::int64_t dilation = 1;
    std::int64_t before = 0;

    // Where the element goes with this tap; -1: nowhere.
    [[nodiscard]] std::int64_t target(std::int64_t element, std::int64_t tap) const {
      const std::int64_t begin = element + before - tap * dilation;
      return begin >= 0 && begin % stride == 0 && begin / stride < out ? begin / stride : -1;
    }
  };

  static std::size_t index(std::int64_t row, std::int64_t length) {
    return static_cast<std::size_t>(row * length);
  }
  [[nodiscard]] std::int64_t in_pixels() const { return axes_[0].in * axes_[1].in * axes_[2].in; }
  [[nodiscard]] std::int64_t taps() const {
    return axes_[0].kernel * axes_[1].kernel * axes_[2].kernel;
  }

  void scatter(const double* x, const double* weights, double* y) const {
    const auto& [first, second, third] = axes_;
    for (std::int64_t pixel = 0; pixel < in_pixels(); ++pixel) {
      for (std::int64_t tap = 0; tap < taps(); ++tap) {
        const std::int64_t a =
            first.target(pixel / third.in / second.in, tap / third.kernel / second.kernel);
        const std::int64_t b =
            second.target(pixel / third.in % second.in, tap / third.kernel % second.kernel);
        const std::int64_t c = third.target(pixel % third.in, tap % third.kernel);
        if (a < 0 || b < 0 || c < 0) continue;
        y[(a * second.out + b) * third.out + c] += x[pixel] * weights[tap];
      }
    }
  }

  op::Conv conv_;
  std::array<Axis, 3> axes_;
};

class AgainstScatteredConv : public testing::TestWithParam<ConvCase> {};

TEST_P(AgainstScatteredConv, ResultsAgree) {
  const ConvCase& test_case = GetParam();
  const ReferenceTensor x = hashed(test_case.x, 1);
  const ReferenceTensor weights = hashed(test_case.weights, 100000);
  const ReferenceTensor biases = hashed({test_case.weights[0]}, 200000);
  const ScatteredConv expected(test_case);
  const ReferenceTensor y = run(test_case.conv, {x, weights, biases});
  EXPECT_EQ(y.shape, test_case.y);
  EXPECT_THAT(y.values, are_near(expected.run(x, weights, biases.values)));
  EXPECT_THAT(run(test_case.conv, {x, weights}).values, are_near(expected.run(x, weights, {0.0})));
}

Window with_auto_pad(Window window, AutoPad auto_pad) {
  window.auto_pad = auto_pad;
  return window;
}

INSTANTIATE_TEST_SUITE_P(
    Convolutions, AgainstScatteredConv,
    testing::Values(
        ConvCase{
            "plain", {square_window(3, 1, 1)}, {2, 3, 5, 6}, {4, 3, 3, 3}, {2, 4, 5, 6}, {1, 1}},
        ConvCase{
            "pointwise", {square_window(1, 1)}, {2, 5, 3, 4}, {7, 5, 1, 1}, {2, 7, 3, 4}, {0, 0}},
        ConvCase{
            "strided", {square_window(7, 2, 3)}, {1, 3, 9, 8}, {5, 3, 7, 7}, {1, 5, 5, 4}, {3, 3}},
        ConvCase{"uneven",
                 {{{3, 2}, {2, 3}, {1, 1}, {1, 0, 2, 3}, AutoPad::kNotSet}},
                 {1, 2, 6, 7},
                 {3, 2, 3, 2},
                 {1, 3, 4, 3},
                 {1, 0}},
        ConvCase{"dilated",
                 {{{3, 3}, {1, 2}, {2, 3}, {2, 1, 0, 4}, AutoPad::kNotSet}},
                 {1, 2, 7, 9},
                 {2, 2, 3, 3},
                 {1, 2, 5, 4},
                 {2, 1}},
        ConvCase{"grouped",
                 {square_window(3, 1, 1), 2},
                 {2, 4, 4, 4},
                 {6, 2, 3, 3},
                 {2, 6, 4, 4},
                 {1, 1}},
        ConvCase{"depthwise",
                 {square_window(3, 1, 1), 3},
                 {2, 3, 4, 5},
                 {3, 1, 3, 3},
                 {2, 3, 4, 5},
                 {1, 1}},
        ConvCase{"depthwise_twice",
                 {square_window(3, 2, 1), 3},
                 {1, 3, 5, 5},
                 {6, 1, 3, 3},
                 {1, 6, 3, 3},
                 {1, 1}},
        ConvCase{"one_axis",
                 {{{4}, {3}, {1}, {1, 2}, AutoPad::kNotSet}},
                 {2, 3, 10},
                 {2, 3, 4},
                 {2, 2, 4},
                 {1}},
        ConvCase{"three_axes",
                 {{{2, 1, 3}, {1, 2, 1}, {1, 1, 2}, {0, 0, 2, 1, 0, 2}, AutoPad::kNotSet}},
                 {1, 2, 3, 5, 4},
                 {3, 2, 2, 1, 3},
                 {1, 3, 3, 3, 4},
                 {0, 0, 2}},
        ConvCase{
            "same_upper", {same_window(4, 1)}, {1, 2, 3, 6}, {2, 2, 4, 4}, {1, 2, 3, 6}, {1, 1}},
        ConvCase{"same_lower",
                 {with_auto_pad(same_window(4, 1), AutoPad::kSameLower)},
                 {1, 2, 3, 6},
                 {2, 2, 4, 4},
                 {1, 2, 3, 6},
                 {2, 2}},
        ConvCase{"valid",
                 {with_auto_pad(square_window(3, 1, 1), AutoPad::kValid)},
                 {1, 1, 5, 4},
                 {1, 1, 3, 3},
                 {1, 1, 3, 2},
                 {0, 0}}),
    [](const auto& test) { return test.param.name; });

TEST(BatchNormalization, UsesTheGivenStatistics) {
  const op::BatchNormalization norm = {.epsilon = 1};
  const ReferenceTensor x = {{2, 2, 2}, {1, 3, 0, 1, -1, 5, 2, 0.5}};
  const ReferenceTensor gamma = {{2}, {2, 3}};
  const ReferenceTensor beta = {{2}, {1, -1}};
  const ReferenceTensor mean = {{2}, {1, 0}};
  const ReferenceTensor variance = {{2}, {3, 8}};  // with epsilon 4 and 9
  const ReferenceTensor y = run(norm, {x, gamma, beta, mean, variance});
  EXPECT_EQ(y.shape, x.shape);
  EXPECT_THAT(y.values, are_near({1, 3, -1, 0, -1, 5, 1, -0.5}));
}

TEST(BatchNormalization, UsesTheStatisticsOfTheBatchInTraining) {
  const op::BatchNormalization norm = {.epsilon = 4, .training_mode = true};
  // Channel 0 has 1, 3, 5, 7: mean 4, variance 5; channel 1 is 2 everywhere.
  const ReferenceTensor x = {{2, 2, 2}, {1, 3, 2, 2, 5, 7, 2, 2}};
  const ReferenceTensor gamma = {{2}, {3, 5}};
  const ReferenceTensor beta = {{2}, {10, -1}};
  const ReferenceTensor unused = {{2}, {1e9, 1e9}};
  EXPECT_THAT(run(norm, {x, gamma, beta, unused, unused}).values,
              are_near({7, 9, -1, -1, 11, 13, -1, -1}));
}

TEST(BatchNormalization, NeedsNoPixels) {
  const op::BatchNormalization norm = {.epsilon = 0, .training_mode = true};
  const ReferenceTensor x = {{2, 2}, {1, 10, 3, 30}};
  const ReferenceTensor one = {{2}, {1, 1}};
  const ReferenceTensor zero = {{2}, {0, 0}};
  EXPECT_THAT(run(norm, {x, one, zero, zero, one}).values, are_near({-1, -1, 1, 1}));
}

TEST(Relu, KeepsWhatIsPositive) {
  const ReferenceTensor y = run(op::Relu{}, {ReferenceTensor{{3}, {-1, 0, 2}}});
  EXPECT_EQ(y.shape, Shape{3});
  EXPECT_THAT(y.values, testing::ElementsAre(0, 0, 2));
}

TEST(Add, RepeatsAxesOfSizeOneAndMissingOnes) {
  const ReferenceTensor column = {{2, 1}, {1, 2}};
  const ReferenceTensor row = {{3}, {10, 20, 30}};
  for (const ReferenceTensor& sum :
       {run(op::Add{}, {column, row}), run(op::Add{}, {row, column})}) {
    EXPECT_EQ(sum.shape, (Shape{2, 3}));
    EXPECT_THAT(sum.values, testing::ElementsAre(11, 21, 31, 12, 22, 32));
  }
  const ReferenceTensor around = {{2, 1, 2}, {1, 2, 3, 4}};
  const ReferenceTensor between = {{1, 2, 1}, {10, 20}};
  const ReferenceTensor both = run(op::Add{}, {around, between});
  EXPECT_EQ(both.shape, (Shape{2, 2, 2}));
  EXPECT_THAT(both.values, testing::ElementsAre(11, 12, 21, 22, 13, 14, 23, 24));
}

TEST(Add, OfEqualShapesAndScalars) {
  const ReferenceTensor a = {{2, 2}, {1, 2, 3, 4}};
  EXPECT_THAT(run(op::Add{}, {a, a}).values, testing::ElementsAre(2, 4, 6, 8));
  const ReferenceTensor scalar = {{}, {5}};
  EXPECT_THAT(run(op::Add{}, {scalar, a}).values, testing::ElementsAre(6, 7, 8, 9));
  EXPECT_THAT(run(op::Add{}, {scalar, scalar}).values, testing::ElementsAre(10));
}

TEST(MaxPool, PaddingNeverWins) {
  const ReferenceTensor x = {{1, 1, 2, 2}, {-4, -3, -2, -1}};
  EXPECT_THAT(run(op::MaxPool{square_window(3, 1, 1)}, {x}).values,
              testing::ElementsAre(-1, -1, -1, -1));
  EXPECT_THAT(run(op::MaxPool{square_window(2, 1, 1)}, {x}).values,
              testing::ElementsAre(-4, -3, -3, -2, -1, -1, -2, -1, -1));
}

TEST(MaxPool, RoundedUpHasAWindowForTheRest) {
  const ReferenceTensor x = {{1, 1, 5}, {-5, -4, -3, -2, -1}};
  const Window window = {{2}, {2}, {1}, {0, 0}, AutoPad::kNotSet};
  EXPECT_THAT(run(op::MaxPool{window, false}, {x}).values, testing::ElementsAre(-4, -2));
  EXPECT_THAT(run(op::MaxPool{window, true}, {x}).values, testing::ElementsAre(-4, -2, -1));
  const Window longer = {{7}, {3}, {1}, {0, 0}, AutoPad::kNotSet};
  EXPECT_THAT(run(op::MaxPool{longer, true}, {x}).values, testing::ElementsAre(-1));
}

TEST(MaxPool, PadsOnTheSideThatIsAskedFor) {
  const ReferenceTensor x = {{1, 1, 4}, {1, 2, 9, 3}};
  const auto pool = [&](AutoPad auto_pad) {
    return run(op::MaxPool{{{3}, {2}, {1}, {0, 0}, auto_pad}}, {x}).values;
  };
  EXPECT_THAT(pool(AutoPad::kSameUpper), testing::ElementsAre(9, 9));
  EXPECT_THAT(pool(AutoPad::kSameLower), testing::ElementsAre(2, 9));
  EXPECT_THAT(pool(AutoPad::kValid), testing::ElementsAre(9));
}

TEST(MaxPool, DilationSkipsElements) {
  const ReferenceTensor x = {{1, 1, 5}, {5, 1, 2, 3, 4}};
  const op::MaxPool pool = {{{2}, {1}, {3}, {0, 0}, AutoPad::kNotSet}};
  EXPECT_THAT(run(pool, {x}).values, testing::ElementsAre(5, 4));
}

TEST(MaxPool, OfSingleElementsItKeepsEveryOtherPixel) {
  const ReferenceTensor x = {{1, 2, 3, 3},
                             {1, 2, 3, 4, 5, 6, 7, 8, 9, -1, -2, -3, -4, -5, -6, -7, -8, -9}};
  const ReferenceTensor y = run(op::MaxPool{same_window(1, 2)}, {x});
  EXPECT_EQ(y.shape, (Shape{1, 2, 2, 2}));
  EXPECT_THAT(y.values, testing::ElementsAre(1, 3, 7, 9, -1, -3, -7, -9));
}

TEST(GlobalAveragePool, IsTheMeanOfEachChannel) {
  const ReferenceTensor x = {{2, 2, 1, 2}, {1, 3, 5, 7, -1, 1, 10, 20}};
  const ReferenceTensor y = run(op::GlobalAveragePool{}, {x});
  EXPECT_EQ(y.shape, (Shape{2, 2, 1, 1}));
  EXPECT_THAT(y.values, testing::ElementsAre(2, 6, 0, 15));
}

TEST(Flatten, ChangesTheShapeOnly) {
  const ReferenceTensor x = hashed({2, 3, 2, 2}, 7);
  const auto shape_behind = [&](std::int64_t axis) {
    const ReferenceTensor y = run(op::Flatten{axis}, {x});
    EXPECT_EQ(y.values, x.values);
    return y.shape;
  };
  EXPECT_EQ(shape_behind(0), (Shape{1, 24}));
  EXPECT_EQ(shape_behind(1), (Shape{2, 12}));
  EXPECT_EQ(shape_behind(3), (Shape{12, 2}));
  EXPECT_EQ(shape_behind(-2), (Shape{6, 4}));
}

}  // namespace
}  // namespace narrow
