// Programs against the reference operators.
#include "nn/inference/compiled_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "narrow/error.h"
#include "nn/testing/random_network.h"

namespace narrow {
namespace {

Window window_of(std::vector<std::int64_t> kernel, std::vector<std::int64_t> strides,
                 std::vector<std::int64_t> dilations, std::vector<std::int64_t> pads) {
  return {std::move(kernel), std::move(strides), std::move(dilations), std::move(pads)};
}

TEST(CompiledGraph, Convolutions) {
  struct Case {
    Shape x;
    std::int64_t out;
    std::int64_t group;
    Window window;
  };
  const std::vector<Case> cases = {
      {{2, 3, 17, 13}, 24, 1, square_window(3, 2, 1)},
      {{1, 16, 9, 9}, 32, 1, square_window(1, 1)},
      {{3, 5, 8, 9}, 7, 1, square_window(3, 1, 1)},
      {{1, 24, 14, 15}, 24, 24, square_window(3, 1, 1)},
      {{2, 12, 14, 15}, 12, 12, square_window(5, 2, 2)},
      {{1, 16, 7, 7}, 16, 4, square_window(3, 1, 1)},
      {{2, 32, 7, 7}, 48, 2, square_window(3, 1, 1)},
      {{1, 6, 7, 7}, 4, 2, square_window(3, 1, 0)},
      {{1, 6, 7, 7}, 12, 6, square_window(3, 1, 1)},
      {{1, 8, 20, 11}, 8, 1, window_of({3, 5}, {2, 1}, {1, 2}, {0, 3, 2, 1})},
      {{1, 8, 20, 20}, 8, 1, same_window(3, 2)},
      {{1, 64, 12, 13}, 64, 1, square_window(3, 1, 1)},
      {{2, 28, 17, 18}, 44, 1, square_window(3, 1, 1)},
      {{2, 4, 33}, 6, 1, window_of({5}, {2}, {1}, {2, 1})},
      {{1, 3, 6, 7, 8}, 10, 1, window_of({3, 3, 3}, {1, 2, 1}, {1, 1, 1}, {1, 1, 1, 1, 1, 1})},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(to_string(test.x));
    RandomNetwork network;
    const ValueId x = network.input(test.x);
    network.expect_equal({network.conv(x, test.x[1], test.out, test.window, test.group)});
  }
}

using Follow = std::function<ValueId(RandomNetwork&, ValueId)>;

TEST(CompiledGraph, WhatFollowsAConvolution) {
  const auto unary = [](op::UnaryKind kind) -> Follow {
    return [kind](RandomNetwork& n, ValueId x) { return n.add(op::Unary{kind}, {x}); };
  };
  const auto activation = [](op::ActivationKind kind, double alpha, double beta) -> Follow {
    return [=](RandomNetwork& n, ValueId x) {
      return n.add(op::Activation{kind, alpha, beta}, {x});
    };
  };
  const std::vector<Follow> all = {
      [](RandomNetwork& n, ValueId x) { return n.add(op::Relu{}, {x}); },
      [](RandomNetwork& n, ValueId x) {
        return n.add(op::Clip{}, {x, n.scalar(0), n.scalar(6)});
      },
      [](RandomNetwork& n, ValueId x) {
        return n.add(op::Clip{}, {x, kNoValue, n.scalar(0.5)});
      },
      unary(op::UnaryKind::kSigmoid),
      unary(op::UnaryKind::kTanh),
      unary(op::UnaryKind::kHardSwish),
      activation(op::ActivationKind::kLeakyRelu, 0.1, 0),
      activation(op::ActivationKind::kHardSigmoid, 0.2, 0.5),
      activation(op::ActivationKind::kSwish, 1, 0),
      activation(op::ActivationKind::kGelu, 1, 0),
      [](RandomNetwork& n, ValueId x) {
        return n.add(op::Binary{op::BinaryKind::kMul},
                     {x, n.add(op::Unary{op::UnaryKind::kSigmoid}, {x})});
      },
      [](RandomNetwork& n, ValueId x) {
        const op::Activation gate{op::ActivationKind::kHardSigmoid, 1.0 / 6, 0.5};
        return n.add(op::Binary{op::BinaryKind::kMul}, {x, n.add(gate, {x})});
      },
      [](RandomNetwork& n, ValueId x) {
        return n.add(op::Binary{op::BinaryKind::kMul}, {x, n.weight({24, 1, 1})});
      },
      [](RandomNetwork& n, ValueId x) {
        const ValueId y = n.add(op::Relu{}, {n.norm(x, 24)});
        const ValueId moved = n.add(op::Add{}, {y, n.scalar(3)});
        return n.add(op::Binary{op::BinaryKind::kDiv}, {moved, n.scalar(6)});
      },
      [](RandomNetwork& n, ValueId x) {
        return n.add(op::Binary{op::BinaryKind::kSub}, {n.scalar(1), x});
      },
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const std::int64_t group : {1, 24}) {
      SCOPED_TRACE(std::to_string(i) + " with groups " + std::to_string(group));
      RandomNetwork network;
      const ValueId x = network.input({2, 24, 9, 10});
      const ValueId conv = network.conv(x, 24, 24, square_window(3, 1, 1), group);
      network.expect_equal({all[i](network, conv)});
    }
  }
}

TEST(CompiledGraph, SumsOfBranches) {
  RandomNetwork network;
  const ValueId x = network.input({2, 24, 9, 10});
  const ValueId a = network.norm(network.conv(x, 24, 32, square_window(3, 1, 1)), 32);
  const ValueId b = network.norm(network.conv(a, 32, 32, square_window(1, 1)), 32);
  const ValueId sum = network.add(op::Relu{}, {network.add(op::Add{}, {a, b})});
  const ValueId c = network.conv(sum, 32, 32, square_window(3, 1, 1), 32);
  const ValueId d = network.add(op::Add{}, {c, sum});
  network.expect_equal({sum, d, network.add(op::Add{}, {d, d})});
}

TEST(CompiledGraph, SqueezeAndExcitation) {
  for (const std::int64_t channels : {16, 20}) {
    RandomNetwork network;
    const ValueId x = network.input({2, 3, 16, 17});
    const ValueId y =
        network.add(op::Relu{}, {network.conv(x, 3, channels, square_window(3, 2, 1))});
    const ValueId mean = network.add(op::GlobalAveragePool{}, {y});
    const ValueId squeezed =
        network.add(op::Relu{}, {network.conv(mean, channels, 6, square_window(1, 1))});
    const ValueId excited = network.conv(squeezed, 6, channels, square_window(1, 1));
    const ValueId gate = network.add(op::Unary{op::UnaryKind::kSigmoid}, {excited});
    network.expect_equal({network.add(op::Binary{op::BinaryKind::kMul}, {y, gate})});
  }
}

// x * clip(x + 3, 0, 6) / 6, which exporters write for HardSwish, divided before or after.
TEST(CompiledGraph, HardSwishWrittenOut) {
  for (const bool is_divided_first : {true, false}) {
    RandomNetwork network;
    const auto over_six = [&](ValueId x) {
      return network.add(op::Binary{op::BinaryKind::kDiv}, {x, network.scalar(6)});
    };
    const ValueId x = network.conv(network.input({2, 3, 9, 8}), 3, 24, square_window(3, 1, 1));
    const ValueId moved = network.add(op::Add{}, {x, network.scalar(3)});
    ValueId gate = network.add(op::Clip{}, {moved, network.scalar(0), network.scalar(6)});
    if (is_divided_first) gate = over_six(gate);
    ValueId y = network.add(op::Binary{op::BinaryKind::kMul}, {x, gate});
    if (!is_divided_first) y = over_six(y);
    y = network.add(op::Binary{op::BinaryKind::kMul}, {y, network.scalar(1.5)});
    network.expect_equal({network.add(op::Add{}, {y, network.scalar(0.25)})});
    EXPECT_EQ(network.step_operators(),
              std::vector<std::string>{is_divided_first ? "Conv+Add+Clip+Div+Mul+Mul+Add"
                                                        : "Conv+Add+Clip+Mul+Div+Mul+Add"});
  }
}

TEST(CompiledGraph, ChoicesByConditions) {
  const std::vector<Shape> shapes = {{2, 3, 4, 5}, {5}, {3, 1, 5}, {1}, {2, 3, 4, 1}};
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    RandomNetwork network;
    const ValueId x = network.input({2, 3, 4, 5});
    const ValueId y = network.input(shapes[i]);
    const auto is_less = op::Compare{op::CompareKind::kLess};
    const ValueId by_y = network.add(is_less, {y, network.scalar(0)});
    const ValueId by_x = network.add(is_less, {x, network.scalar(0)});
    const ValueId root = network.add(op::Unary{op::UnaryKind::kSqrt}, {x});
    const ValueId no_root = network.add(op::Unary{op::UnaryKind::kIsNaN}, {root});
    network.expect_equal({network.add(op::Where{}, {by_y, x, y}),
                          network.add(op::Where{}, {by_x, network.scalar(7), x}),
                          network.add(op::Where{}, {by_x, x, network.scalar(7)}),
                          network.add(op::Where{}, {no_root, y, root})});
  }
}

TEST(CompiledGraph, TransposedConvolutions) {
  for (const std::int64_t group : {1, 2, 8}) {
    RandomNetwork network;
    const ValueId x = network.input({2, 8, 5, 6});
    const op::ConvTranspose conv{square_window(3, 2, 1), group, {1, 1}, {}};
    const ValueId y =
        network.add(conv, {x, network.weight({8, 16 / group, 3, 3}), network.weight({16})});
    network.expect_equal({network.add(op::Relu{}, {network.norm(y, 16)})});
  }
}

TEST(CompiledGraph, TransposedConvolutionsThatMakeTiles) {
  for (const std::int64_t channels : {1, 6, 12, 16}) {
    RandomNetwork network;
    const ValueId x = network.conv(network.input({2, 8, 5, 6}), 8, 16, square_window(1, 1));
    const op::ConvTranspose conv{window_of({2, 3}, {2, 3}, {1, 1}, {0, 0, 0, 0}), 1, {}, {}};
    const ValueId y =
        network.add(conv, {x, network.weight({16, channels, 2, 3}), network.weight({channels})});
    network.expect_equal({network.add(op::Relu{}, {network.norm(y, channels)})});
  }
}

TEST(CompiledGraph, WhatChangesNothingDoesNotKeepNodesApart) {
  RandomNetwork network;
  const ValueId x = network.add(op::Identity{}, {network.input({2, 3, 9, 8})});
  const ValueId y = network.conv(x, 3, 8, square_window(3, 1, 1));
  const ValueId same = network.add(op::Cast{DType::kFloat32}, {y});
  network.expect_equal({network.add(op::Relu{}, {network.norm(same, 8)})});
  EXPECT_EQ(network.step_operators(), std::vector<std::string>{"Conv+BatchNormalization+Relu"});
}

TEST(CompiledGraph, ChannelsThatComeLast) {
  RandomNetwork network;
  const op::Transpose to_first{{0, 3, 1, 2}};
  const op::Transpose to_last{{0, 2, 3, 1}};
  const auto conv = [&](ValueId x, std::int64_t in, std::int64_t out) {
    const ValueId first = network.add(to_first, {x});
    return network.add(to_last, {network.conv(first, in, out, square_window(3, 1, 1))});
  };
  const ValueId x = conv(network.input({2, 7, 6, 3}), 3, 16);
  const ValueId scaled = network.add(op::Binary{op::BinaryKind::kMul}, {x, network.weight({16})});
  const ValueId moved =
      network.add(op::Relu{}, {network.add(op::Add{}, {scaled, network.weight({16})})});
  const ValueId padded =
      network.add(op::Pad{}, {moved, network.integers({0, 1, 2, 0, 0, 0, 1, 0})});
  const ValueId y = conv(moved, 16, 16);
  const ValueId sum = network.add(op::Relu{}, {network.add(op::Add{}, {moved, y})});
  network.expect_equal({network.add(op::Concat{3}, {sum, moved}), padded});
}

TEST(CompiledGraph, Pools) {
  const std::vector<Attributes> pools = {op::MaxPool{square_window(3, 2, 1)},
                                         op::MaxPool{square_window(3, 2), true},
                                         op::MaxPool{same_window(2, 2)},
                                         op::AveragePool{square_window(3, 1, 1)},
                                         op::AveragePool{square_window(3, 1, 1), false, true},
                                         op::AveragePool{same_window(3, 2)},
                                         op::GlobalAveragePool{},
                                         op::GlobalMaxPool{}};
  for (const Attributes& pool : pools) {
    for (const std::int64_t channels : {5, 16}) {
      RandomNetwork network;
      network.expect_equal({network.add(pool, {network.input({2, channels, 12, 13})})});
    }
  }
}

TEST(CompiledGraph, ElementsWithBroadcasting) {
  const std::vector<Shape> others = {{2, 16, 5, 6}, {1, 16, 1, 1}, {16, 1, 1}, {2, 16, 1, 1},
                                     {2, 1, 5, 6},  {6},           {1},        {2, 1, 1, 1}};
  const std::vector<Attributes> operators = {
      op::Add{}, op::Binary{op::BinaryKind::kSub}, op::Binary{op::BinaryKind::kMul},
      op::Binary{op::BinaryKind::kDiv}, op::Variadic{op::VariadicKind::kMax}};
  for (const bool from_conv : {false, true}) {
    for (const Shape& other : others) {
      for (const Attributes& what : operators) {
        SCOPED_TRACE(to_string(other));
        RandomNetwork network;
        ValueId x = network.input({2, 16, 5, 6}, 0.5);
        if (from_conv) x = network.add(op::MaxPool{square_window(3, 1, 1)}, {x});
        const ValueId y = network.input(other, 0.5);
        const ValueId stored = network.weight(other, WeightRole::kMovingVariance);
        network.expect_equal(
            {network.add(what, {x, y}), network.add(what, {y, x}), network.add(what, {x, stored})});
      }
    }
  }
}

TEST(CompiledGraph, FunctionsOfElements) {
  for (const std::int64_t channels : {5, 16}) {
    for (int kind = 0; kind <= static_cast<int>(op::UnaryKind::kTanh); ++kind) {
      using enum op::UnaryKind;
      const auto unary = static_cast<op::UnaryKind>(kind);
      const std::vector<op::UnaryKind> fast = {
          kAbs,  kExp,  kHardSwish, kLog, kMish,  kNeg,   kSigmoid, kSoftplus, kSqrt,
          kTanh, kCeil, kCos,       kErf, kFloor, kRound, kSin,     kSoftsign, kReciprocal};
      if (std::find(fast.begin(), fast.end(), unary) == fast.end()) continue;
      SCOPED_TRACE(kind);
      RandomNetwork network;
      const ValueId x = network.add(op::GlobalMaxPool{}, {network.input({2, channels, 3, 3}, 0.1)});
      network.expect_equal({network.add(op::Unary{unary}, {x})});
    }
  }
}

TEST(CompiledGraph, ExamplesInParts) {
  GraphBuilder builder("network");
  const ValueId x = builder.input("x", {Dimension::free("N"), 8, 5, 5});
  const ValueId w = builder.weight({"w", {6, 8, 3, 3}});
  const Graph graph =
      builder.finish({builder.add("conv", op::Conv{square_window(3, 1, 1)}, {x, w})});
  const Constant examples = random_tensor({7, 8, 5, 5}, 3).as_constant();
  const CompiledGraph program(graph, random_array, {{3, 8, 5, 5}});
  const auto expected = program.run_examples(std::span(&examples, 1), 1);
  ASSERT_EQ(expected[0].shape, (Shape{7, 6, 5, 5}));
  for (const int threads : {2, 5}) {
    EXPECT_EQ(program.run_examples(std::span(&examples, 1), threads), expected);
  }
}

// Weights are larger than values here, so that workers take several examples through a step.
TEST(CompiledGraph, ExamplesThatShareSteps) {
  GraphBuilder builder("network");
  const ValueId x = builder.input("x", {Dimension::free("N"), 3, 40});
  const ValueId hidden = builder.add("first", op::MatMul{}, {x, builder.weight({"a", {40, 300}})});
  const ValueId y = builder.add("second", op::MatMul{}, {hidden, builder.weight({"b", {300, 40}})});
  const Graph graph = builder.finish({builder.add("softmax", op::Softmax{-1}, {y})});
  const Constant examples = random_tensor({11, 3, 40}, 3).as_constant();
  const CompiledGraph program(graph, random_array, {{1, 3, 40}});
  std::vector<std::byte> expected;
  const std::size_t bytes = examples.bytes.size() / 11;
  for (std::size_t i = 0; i < 11; ++i) {
    const auto begin = examples.bytes.begin() + static_cast<std::ptrdiff_t>(i * bytes);
    const Constant one{DType::kFloat32, {1, 3, 40}, {begin, begin + static_cast<int>(bytes)}};
    const Constant result = program.run(std::span(&one, 1)).front();
    expected.insert(expected.end(), result.bytes.begin(), result.bytes.end());
  }
  for (const int threads : {1, 2, 3, 16}) {
    std::vector<double> seconds(program.steps().size(), 0);
    const auto found = program.run_examples(std::span(&examples, 1), threads, &seconds);
    EXPECT_EQ(found.front().shape, (Shape{11, 3, 40}));
    EXPECT_EQ(found.front().bytes, expected) << threads;
    EXPECT_TRUE(std::ranges::all_of(seconds, [](double time) { return time > 0; }));
  }
}

TEST(CompiledGraph, OtherInputsAreRefused) {
  GraphBuilder builder("network");
  const ValueId x = builder.input("x", {4});
  const Graph graph = builder.finish({builder.add("relu", op::Relu{}, {x})});
  const CompiledGraph program(graph, random_array, {{4}});
  const Constant wrong = random_tensor({5}, 1).as_constant();
  EXPECT_THROW(std::ignore = program.run(std::span(&wrong, 1)), Error);
  EXPECT_THROW(std::ignore = program.run({}), Error);
  EXPECT_THROW(CompiledGraph(graph, random_array, {{5}}), Error);
}

}  // namespace
}  // namespace narrow
