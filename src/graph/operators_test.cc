#include "graph/operators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "graph/facts.h"
#include "narrow/error.h"

namespace narrow {
namespace {

const Dimension kN = Dimension::free("N");
const Dimension kHeight = Dimension::free("height");
const Dimension kWidth = Dimension::free("width");
const Dimension kFree = Dimension();

// Of one node with these inputs; nothing stands for one that is left out.
std::string result(const Attributes& attributes,
                   const std::vector<std::optional<Dimensions>>& inputs) {
  std::vector<Fact> facts;
  for (const auto& input : inputs) facts.push_back({DType::kFloat32, input.value_or(Dimensions())});
  std::vector<const Fact*> pointers;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    pointers.push_back(inputs[i] ? &facts[i] : nullptr);
  }
  return to_string(infer_facts(attributes, pointers)[0].dimensions);
}

void expect_refused(const Attributes& attributes,
                    const std::vector<std::optional<Dimensions>>& inputs,
                    const std::string& message) {
  EXPECT_THAT([&] { result(attributes, inputs); },
              testing::Throws<Error>(testing::AllOf(
                  testing::Property("category", &Error::category, ErrorCategory::kUnsupported),
                  testing::Property("what", &Error::what, testing::StrEq(message)))));
}

Window window_of_axes(std::vector<std::int64_t> kernel, std::vector<std::int64_t> strides,
                      std::vector<std::int64_t> pads) {
  const std::vector<std::int64_t> ones(kernel.size(), 1);
  return {std::move(kernel), std::move(strides), ones, std::move(pads), AutoPad::kNotSet};
}

TEST(OperatorOf, NamesAreThoseOfOnnx) {
  EXPECT_EQ(operator_of(Attributes(op::Conv{})).name, "Conv");
  EXPECT_EQ(operator_of(Attributes(op::BatchNormalization{})).name, "BatchNormalization");
  EXPECT_EQ(operator_of(Attributes(op::Relu{})).name, "Relu");
  EXPECT_EQ(operator_of(Attributes(op::Add{})).name, "Add");
  EXPECT_EQ(operator_of(Attributes(op::MaxPool{})).name, "MaxPool");
  EXPECT_EQ(operator_of(Attributes(op::GlobalAveragePool{})).name, "GlobalAveragePool");
  EXPECT_EQ(operator_of(Attributes(op::Flatten{})).name, "Flatten");
}

TEST(WindowOf, ConvolutionsAndPoolsHaveOne) {
  const Node conv = {"conv", op::Conv{square_window(3, 1)}, {}, {}};
  const Node pool = {"pool", op::MaxPool{square_window(2, 2)}, {}, {}};
  const Node relu = {"relu", op::Relu{}, {}, {}};
  ASSERT_NE(window_of(conv), nullptr);
  EXPECT_EQ(*window_of(conv), square_window(3, 1));
  ASSERT_NE(window_of(pool), nullptr);
  EXPECT_EQ(*window_of(pool), square_window(2, 2));
  EXPECT_EQ(window_of(relu), nullptr);
}

TEST(Conv, ItsResultHasAChannelForEachFilter) {
  const op::Conv conv = {square_window(3, 2, 1)};
  EXPECT_EQ(result(conv, {{{2, 3, 9, 10}}, {{8, 3, 3, 3}}}), "[2, 8, 5, 5]");
  EXPECT_EQ(result(conv, {{{2, 3, 9, 10}}, {{8, 3, 3, 3}}, {{8}}}), "[2, 8, 5, 5]");
  EXPECT_EQ(result(conv, {{{2, 3, 9, 10}}, {{8, 3, 3, 3}}, std::nullopt}), "[2, 8, 5, 5]");
}

TEST(Conv, TakesAnyNumberOfAxes) {
  const op::Conv one = {window_of_axes({3}, {1}, {0, 0})};
  EXPECT_EQ(result(one, {{{kN, 4, 10}}, {{6, 4, 3}}}), "[N, 6, 8]");
  const op::Conv three = {window_of_axes({2, 2, 2}, {1, 2, 3}, {0, 0, 0, 0, 0, 0})};
  EXPECT_EQ(result(three, {{{1, 2, 5, 6, 7}}, {{3, 2, 2, 2, 2}}}), "[1, 3, 4, 3, 2]");
}

TEST(Conv, GroupsTakeAPartOfTheChannelsEach) {
  EXPECT_EQ(result(op::Conv{square_window(1, 1), 2}, {{{kN, 4, 5, 5}}, {{6, 2, 1, 1}}}),
            "[N, 6, 5, 5]");
  EXPECT_EQ(result(op::Conv{square_window(3, 1, 1), 4}, {{{kN, 4, 5, 5}}, {{4, 1, 3, 3}}}),
            "[N, 4, 5, 5]");
}

TEST(Conv, FreeSizesKeepTheirSymbolsOnlyIfNothingChangesThem) {
  const Dimensions x = {kN, 3, kHeight, kWidth};
  EXPECT_EQ(result(op::Conv{square_window(1, 1)}, {x, {{8, 3, 1, 1}}}), "[N, 8, height, width]");
  EXPECT_EQ(result(op::Conv{square_window(1, 2)}, {x, {{8, 3, 1, 1}}}), "[N, 8, ?, ?]");
  EXPECT_EQ(result(op::Conv{square_window(3, 1)}, {x, {{8, 3, 3, 3}}}), "[N, 8, ?, ?]");
  EXPECT_EQ(result(op::Conv{square_window(1, 1, 1)}, {x, {{8, 3, 1, 1}}}), "[N, 8, ?, ?]");
  EXPECT_EQ(result(op::Conv{square_window(3, 2, 1)}, {{{kN, kFree, 9, kWidth}}, {{8, 3, 3, 3}}}),
            "[N, 8, 5, ?]");
}

TEST(Conv, WhatDoesNotFitIsRefused) {
  const op::Conv conv = {square_window(3, 1)};
  const Dimensions x = {kN, 3, 9, 9};
  expect_refused(conv, {x, {{8, 4, 3, 3}}},
                 "its input [N, 3, 9, 9] has 3 channels, its weights [8, 4, 3, 3] take 4");
  expect_refused(conv, {x, {{8, 3, 3, 5}}},
                 "its weights [8, 3, 3, 5] are not of its kernel [3, 3]");
  expect_refused(conv, {x, {{8, 3, 3}}},
                 "weights [8, 3, 3] in 1 groups do not fit its input [N, 3, 9, 9]");
  expect_refused(conv, {{{kN, 3, 9, 9, 9}}, {{8, 3, 3, 3, 3}}},
                 "its weights [8, 3, 3, 3, 3] are not of its kernel [3, 3]");
  expect_refused(conv, {{{kN, 3}}, {{8, 3}}}, "its input is [N, 3], expected 3 axes or more");
  expect_refused(conv, {x, {{8, 3, 3, 3}}, {{7}}}, "its biases are [7], expected [8]");
  expect_refused(conv, {x, {{8, 3, 3, 3}}, {{8, 1}}}, "its biases are [8, 1], expected [8]");
  expect_refused(conv, {x, {{8, 3, 3, 3}}, Dimensions()}, "its biases are [], expected [8]");
  expect_refused(conv, {{{kN, 3, 2, 9}}, {{8, 3, 3, 3}}},
                 "a window of 3 elements does not fit into 2 with their padding");
}

TEST(Conv, GroupsThatDoNotFitAreRefused) {
  const Dimensions x = {kN, 4, 5, 5};
  expect_refused(op::Conv{square_window(1, 1), 4}, {x, {{6, 1, 1, 1}}},
                 "weights [6, 1, 1, 1] in 4 groups do not fit its input [N, 4, 5, 5]");
  expect_refused(op::Conv{square_window(1, 1), 0}, {x, {{6, 4, 1, 1}}},
                 "weights [6, 4, 1, 1] in 0 groups do not fit its input [N, 4, 5, 5]");
  expect_refused(op::Conv{square_window(1, 1), 2}, {x, {{6, 4, 1, 1}}},
                 "its input [N, 4, 5, 5] has 4 channels, its weights [6, 4, 1, 1] take 8");
}

TEST(BatchNormalization, KeepsTheShape) {
  const Attributes norm = op::BatchNormalization{};
  const Dimensions c = {8};
  EXPECT_EQ(result(norm, {{{kN, 8, kHeight, kWidth}}, c, c, c, c}), "[N, 8, height, width]");
  EXPECT_EQ(result(norm, {{{kN, 8}}, c, c, c, c}), "[N, 8]");
  EXPECT_EQ(result(norm, {{{kN, kFree, 5}}, c, c, c, c}), "[N, ?, 5]");
}

TEST(BatchNormalization, OtherThanOneParameterAChannelIsRefused) {
  const Attributes norm = op::BatchNormalization{};
  const Dimensions c = {8};
  expect_refused(norm, {{{kN, 8, 5}}, c, {{7}}, c, c},
                 "a parameter is [7], expected one value for each channel of [N, 8, 5]");
  expect_refused(norm, {{{kN, 8, 5}}, c, c, c, {{8, 1}}},
                 "a parameter is [8, 1], expected one value for each channel of [N, 8, 5]");
  expect_refused(norm, {{{8}}, c, c, c, c}, "its input is [8], expected 2 axes or more");
}

TEST(Relu, KeepsTheShape) {
  EXPECT_EQ(result(op::Relu{}, {{{kN, 8, kFree}}}), "[N, 8, ?]");
  EXPECT_EQ(result(op::Relu{}, {Dimensions()}), "[]");
}

TEST(Add, RepeatsAxesOfSizeOneAndPutsMissingOnesInFront) {
  const auto sum = [](Dimensions a, Dimensions b) {
    const std::string forth = result(op::Add{}, {a, b});
    EXPECT_EQ(result(op::Add{}, {b, a}), forth);
    return forth;
  };
  EXPECT_EQ(sum({2, 3, 4}, {2, 3, 4}), "[2, 3, 4]");
  EXPECT_EQ(sum({2, 3, 4}, {4}), "[2, 3, 4]");
  EXPECT_EQ(sum({2, 3, 4}, {3, 1}), "[2, 3, 4]");
  EXPECT_EQ(sum({2, 1, 4}, {1, 3, 1}), "[2, 3, 4]");
  EXPECT_EQ(sum({1, 1}, {1}), "[1, 1]");
  EXPECT_EQ(sum({2, 3}, {}), "[2, 3]");
  EXPECT_EQ(sum({}, {}), "[]");
  EXPECT_EQ(sum({0, 3}, {1, 3}), "[0, 3]");
}

TEST(Add, FreeSizesAreWhatTheOthersAllow) {
  const auto sum = [](Dimensions a, Dimensions b) {
    const std::string forth = result(op::Add{}, {a, b});
    EXPECT_EQ(result(op::Add{}, {b, a}), forth);
    return forth;
  };
  EXPECT_EQ(sum({kN, 4}, {kN, 4}), "[N, 4]");
  EXPECT_EQ(sum({kN, 4}, {1, 4}), "[N, 4]");
  EXPECT_EQ(sum({kN, 4}, {4}), "[N, 4]");
  EXPECT_EQ(sum({kN}, {5}), "[5]");
  EXPECT_EQ(sum({kN}, {kWidth}), "[?]");
  EXPECT_EQ(sum({kN}, {kFree}), "[?]");
  EXPECT_EQ(sum({kFree}, {1}), "[?]");
}

TEST(Add, SizesThatDifferAreRefused) {
  expect_refused(op::Add{}, {{{2, 3}}, {{2, 4}}}, "sizes 3 and 4 cannot be added");
  expect_refused(op::Add{}, {{{2, 3}}, {{2}}}, "sizes 3 and 2 cannot be added");
  expect_refused(op::Add{}, {{{0}}, {{2}}}, "sizes 0 and 2 cannot be added");
}

TEST(MaxPool, KeepsTheChannels) {
  EXPECT_EQ(result(op::MaxPool{same_window(3, 2)}, {{{kN, 3, 7, 8}}}), "[N, 3, 4, 4]");
  EXPECT_EQ(result(op::MaxPool{square_window(2, 2)}, {{{kN, kFree, 5, kWidth}}}), "[N, ?, 2, ?]");
  EXPECT_EQ(result(op::MaxPool{square_window(2, 2), true}, {{{kN, 3, 5, 4}}}), "[N, 3, 3, 2]");
  EXPECT_EQ(result(op::MaxPool{window_of_axes({3}, {2}, {1, 0})}, {{{1, 2, 6}}}), "[1, 2, 3]");
  expect_refused(op::MaxPool{square_window(2, 2)}, {{{kN, 3}}},
                 "its input is [N, 3], its window has 2 axes");
  expect_refused(op::MaxPool{square_window(2, 2)}, {{{kN, 3, 4, 4, 4}}},
                 "its input is [N, 3, 4, 4, 4], its window has 2 axes");
}

TEST(GlobalAveragePool, LeavesOnePixel) {
  EXPECT_EQ(result(op::GlobalAveragePool{}, {{{kN, 5, kHeight, kWidth}}}), "[N, 5, 1, 1]");
  EXPECT_EQ(result(op::GlobalAveragePool{}, {{{kN, 5, 7}}}), "[N, 5, 1]");
  expect_refused(op::GlobalAveragePool{}, {{{kN, 5}}},
                 "its input is [N, 5], expected 3 axes or more");
}

TEST(Flatten, LeavesTwoAxes) {
  const auto flat = [](std::int64_t axis, Dimensions x) {
    return result(op::Flatten{axis}, {std::move(x)});
  };
  EXPECT_EQ(flat(0, {2, 3, 4, 5}), "[1, 120]");
  EXPECT_EQ(flat(1, {2, 3, 4, 5}), "[2, 60]");
  EXPECT_EQ(flat(2, {2, 3, 4, 5}), "[6, 20]");
  EXPECT_EQ(flat(4, {2, 3, 4, 5}), "[120, 1]");
  EXPECT_EQ(flat(-1, {2, 3, 4, 5}), "[24, 5]");
  EXPECT_EQ(flat(-3, {2, 3, 4, 5}), "[2, 60]");
  EXPECT_EQ(flat(-4, {2, 3, 4, 5}), "[1, 120]");
  EXPECT_EQ(flat(0, {}), "[1, 1]");
  EXPECT_EQ(flat(1, {7}), "[7, 1]");
}

TEST(Flatten, FreeSizesKeepTheirSymbolsOnlyIfNothingIsMultipliedWithThem) {
  const auto flat = [](std::int64_t axis, Dimensions x) {
    return result(op::Flatten{axis}, {std::move(x)});
  };
  EXPECT_EQ(flat(1, {kN, 3, 1, 1}), "[N, 3]");
  EXPECT_EQ(flat(1, {kN, 3, kHeight, 1}), "[N, ?]");
  EXPECT_EQ(flat(1, {kN, 1, kHeight, 1}), "[N, height]");
  EXPECT_EQ(flat(2, {kN, 1, 7, 7}), "[N, 49]");
  EXPECT_EQ(flat(2, {kN, 3, 7, 7}), "[?, 49]");
  EXPECT_EQ(flat(0, {kN}), "[1, N]");
}

TEST(Flatten, AnAxisThatIsNotThereIsRefused) {
  expect_refused(op::Flatten{5}, {{{2, 3, 4, 5}}}, "its axis 5 is not one of 4");
  expect_refused(op::Flatten{-5}, {{{2, 3, 4, 5}}}, "its axis -5 is not one of 4");
}

TEST(Describe, TellsWhatIsNotUsual) {
  EXPECT_EQ(describe(op::Conv{square_window(1, 1)}), "1x1");
  EXPECT_EQ(describe(op::Conv{square_window(7, 2, 3)}), "7x7 /2 pad 3");
  EXPECT_EQ(describe(op::Conv{{{3, 3}, {1, 1}, {2, 2}, {2, 2, 2, 2}, AutoPad::kNotSet}, 4}),
            "3x3 dilation 2 pad 2 groups 4");
  EXPECT_EQ(describe(op::Conv{window_of_axes({3, 2}, {2, 3}, {1, 0, 2, 3})}),
            "3x2 /2x3 pad 1x0x2x3");
  EXPECT_EQ(describe(op::Conv{window_of_axes({5}, {2}, {2, 2})}), "5 /2 pad 2");
  EXPECT_EQ(describe(op::MaxPool{same_window(3, 2)}), "3x3 /2 same");
  EXPECT_EQ(describe(op::MaxPool{square_window(2, 2), true}), "2x2 /2 ceil");
  Window window = square_window(3, 1, 1);
  window.auto_pad = AutoPad::kSameLower;
  EXPECT_EQ(describe(op::Conv{window}), "3x3 same, lower");
  window.auto_pad = AutoPad::kValid;
  EXPECT_EQ(describe(op::Conv{window}), "3x3");
  EXPECT_EQ(describe(op::Flatten{}), "");
  EXPECT_EQ(describe(op::Flatten{2}), "axis 2");
  EXPECT_EQ(describe(op::Relu{}), "");
}

}  // namespace
}  // namespace narrow
