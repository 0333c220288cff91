// Programs against the reference operators.
#include "nn/inference/compiled_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "graph/testing/hashed_values.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Values that depend on the seed alone.
ReferenceTensor random_tensor(Shape shape, unsigned seed, double least = -1, double most = 1) {
  ReferenceTensor x = ReferenceTensor::zeros(std::move(shape), DType::kFloat32);
  std::uint32_t index = seed << 20;
  for (double& value : x.values) {
    value = static_cast<float>(least + (most - least) * hashed_uniform(index++));
  }
  return x;
}

ReferenceTensor read_weight(const Weight& weight) {
  const double least = weight.role == WeightRole::kMovingVariance ? 0.5 : -1;
  return random_tensor(weight.shape, static_cast<unsigned>(weight.name.size()), least);
}

// A graph of one test, put together node by node.
class Network {
 public:
  Network() : builder_("network") {}

  ValueId input(Shape shape, double least = -1, double most = 1) {
    const std::string name = "x" + std::to_string(inputs_.size());
    inputs_.push_back(
        random_tensor(shape, static_cast<unsigned>(inputs_.size()) + 100, least, most));
    return builder_.input(name, {shape.begin(), shape.end()});
  }
  ValueId weight(Shape shape, WeightRole role = WeightRole::kKernel) {
    return builder_.weight(
        {"w" + std::string(++weights_, 'w'), std::move(shape), WeightLayout::kAsUsed, role});
  }
  ValueId integers(const std::vector<std::int64_t>& values) {
    return builder_.constant("c" + std::to_string(++nodes_), make_constant(values));
  }
  ValueId reals(const std::vector<double>& values) {
    return builder_.constant("c" + std::to_string(++nodes_), make_constant(values));
  }
  ValueId scalar(double value) {
    return builder_.constant("c" + std::to_string(++nodes_), make_scalar(DType::kFloat32, value));
  }
  ValueId add(Attributes attributes, std::vector<ValueId> inputs) {
    return builder_.add("n" + std::to_string(++nodes_), std::move(attributes), std::move(inputs));
  }
  std::vector<ValueId> add(Attributes attributes, std::vector<ValueId> inputs, std::size_t count) {
    return builder_.add_node("n" + std::to_string(++nodes_), std::move(attributes),
                             std::move(inputs), count);
  }
  ValueId conv(ValueId x, std::int64_t in, std::int64_t out, const Window& window,
               std::int64_t group = 1) {
    Shape shape = {out, in / group};
    shape.insert(shape.end(), window.kernel.begin(), window.kernel.end());
    return add(op::Conv{window, group},
               {x, weight(std::move(shape)), weight({out}, WeightRole::kBias)});
  }
  ValueId norm(ValueId x, std::int64_t channels) {
    return add(op::BatchNormalization{1e-3},
               {x, weight({channels}, WeightRole::kGamma), weight({channels}, WeightRole::kBeta),
                weight({channels}, WeightRole::kMovingMean),
                weight({channels}, WeightRole::kMovingVariance)});
  }

  // Compares the program with the reference executor; nodes of the program that run reference
  // operators fail.
  void expect_equal(std::vector<ValueId> outputs) {
    const Graph graph = builder_.finish(std::move(outputs));
    std::vector<Shape> shapes;
    std::vector<Constant> arrays;
    for (const ReferenceTensor& input : inputs_) {
      shapes.push_back(input.shape);
      arrays.push_back(input.as_constant());
    }
    const CompiledGraph program(graph, read_weight, shapes);
    for (const CompiledStep& step : program.steps()) {
      EXPECT_FALSE(step.is_reference) << step.operators << " " << step.node;
    }
    const auto expected = run_reference(graph, read_weight, inputs_);
    for (int repeat = 0; repeat < 2; ++repeat) {
      const auto found = program.run(arrays);
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        expect_close(ReferenceTensor::of(found[i]), expected[i]);
      }
    }
  }

 private:
  static void expect_close(const ReferenceTensor& found, const ReferenceTensor& expected) {
    ASSERT_EQ(found.shape, expected.shape);
    ASSERT_EQ(found.type, expected.type);
    EXPECT_EQ(found.integers, expected.integers);
    double largest = 0;
    double difference = 0;
    for (std::size_t i = 0; i < found.values.size(); ++i) {
      largest = std::max(largest, std::abs(expected.values[i]));
      const double apart = std::abs(found.values[i] - expected.values[i]);
      difference = std::isnan(apart) ? apart : std::max(difference, apart);
    }
    EXPECT_LE(difference, 2e-5 * largest);
  }

  GraphBuilder builder_;
  std::vector<ReferenceTensor> inputs_;
  std::size_t weights_ = 0;
  int nodes_ = 0;
};

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
      {{2, 4, 33}, 6, 1, window_of({5}, {2}, {1}, {2, 1})},
      {{1, 3, 6, 7, 8}, 10, 1, window_of({3, 3, 3}, {1, 2, 1}, {1, 1, 1}, {1, 1, 1, 1, 1, 1})},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(to_string(test.x));
    Network network;
    const ValueId x = network.input(test.x);
    network.expect_equal({network.conv(x, test.x[1], test.out, test.window, test.group)});
  }
}

using Follow = std::function<ValueId(Network&, ValueId)>;

TEST(CompiledGraph, WhatFollowsAConvolution) {
  const auto unary = [](op::UnaryKind kind) -> Follow {
    return [kind](Network& n, ValueId x) { return n.add(op::Unary{kind}, {x}); };
  };
  const auto activation = [](op::ActivationKind kind, double alpha, double beta) -> Follow {
    return [=](Network& n, ValueId x) { return n.add(op::Activation{kind, alpha, beta}, {x}); };
  };
  const std::vector<Follow> all = {
      [](Network& n, ValueId x) { return n.add(op::Relu{}, {x}); },
      [](Network& n, ValueId x) {
        return n.add(op::Clip{}, {x, n.scalar(0), n.scalar(6)});
      },
      [](Network& n, ValueId x) {
        return n.add(op::Clip{}, {x, kNoValue, n.scalar(0.5)});
      },
      unary(op::UnaryKind::kSigmoid),
      unary(op::UnaryKind::kTanh),
      unary(op::UnaryKind::kHardSwish),
      activation(op::ActivationKind::kLeakyRelu, 0.1, 0),
      activation(op::ActivationKind::kHardSigmoid, 0.2, 0.5),
      activation(op::ActivationKind::kSwish, 1, 0),
      activation(op::ActivationKind::kGelu, 1, 0),
      [](Network& n, ValueId x) {
        return n.add(op::Binary{op::BinaryKind::kMul},
                     {x, n.add(op::Unary{op::UnaryKind::kSigmoid}, {x})});
      },
      [](Network& n, ValueId x) {
        const op::Activation gate{op::ActivationKind::kHardSigmoid, 1.0 / 6, 0.5};
        return n.add(op::Binary{op::BinaryKind::kMul}, {x, n.add(gate, {x})});
      },
      [](Network& n, ValueId x) {
        return n.add(op::Binary{op::BinaryKind::kMul}, {x, n.weight({24, 1, 1})});
      },
      [](Network& n, ValueId x) {
        const ValueId y = n.add(op::Relu{}, {n.norm(x, 24)});
        const ValueId moved = n.add(op::Add{}, {y, n.scalar(3)});
        return n.add(op::Binary{op::BinaryKind::kDiv}, {moved, n.scalar(6)});
      },
      [](Network& n, ValueId x) {
        return n.add(op::Binary{op::BinaryKind::kSub}, {n.scalar(1), x});
      },
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const std::int64_t group : {1, 24}) {
      SCOPED_TRACE(std::to_string(i) + " with groups " + std::to_string(group));
      Network network;
      const ValueId x = network.input({2, 24, 9, 10});
      const ValueId conv = network.conv(x, 24, 24, square_window(3, 1, 1), group);
      network.expect_equal({all[i](network, conv)});
    }
  }
}

TEST(CompiledGraph, SumsOfBranches) {
  Network network;
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
    Network network;
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

TEST(CompiledGraph, TransposedConvolutions) {
  for (const std::int64_t group : {1, 2, 8}) {
    Network network;
    const ValueId x = network.input({2, 8, 5, 6});
    const op::ConvTranspose conv{square_window(3, 2, 1), group, {1, 1}, {}};
    const ValueId y =
        network.add(conv, {x, network.weight({8, 16 / group, 3, 3}), network.weight({16})});
    network.expect_equal({network.add(op::Relu{}, {network.norm(y, 16)})});
  }
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
      Network network;
      network.expect_equal({network.add(pool, {network.input({2, channels, 12, 13})})});
    }
  }
}

TEST(CompiledGraph, Products) {
  const std::vector<std::pair<Shape, Shape>> shapes = {{{5, 7}, {7, 9}},
                                                       {{2, 5, 7}, {7, 9}},
                                                       {{3, 2, 5, 7}, {3, 2, 7, 4}},
                                                       {{3, 1, 5, 7}, {2, 7, 4}},
                                                       {{1, 12, 16, 8}, {1, 12, 8, 16}}};
  for (const auto& [a, b] : shapes) {
    Network network;
    const ValueId left = network.input(a);
    const ValueId right = network.input(b);
    const ValueId stored = network.add(op::MatMul{}, {left, network.weight(b)});
    network.expect_equal({network.add(op::MatMul{}, {left, right}), stored});
  }
  for (const bool transposed : {false, true}) {
    Network network;
    const ValueId a = network.input(transposed ? Shape{7, 5} : Shape{5, 7});
    const ValueId b = network.weight(transposed ? Shape{9, 7} : Shape{7, 9});
    const op::Gemm gemm{1, 2, transposed, transposed};
    network.expect_equal({network.add(gemm, {a, b, network.weight({9})})});
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
        Network network;
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
      Network network;
      const ValueId x = network.add(op::GlobalMaxPool{}, {network.input({2, channels, 3, 3}, 0.1)});
      network.expect_equal({network.add(op::Unary{unary}, {x})});
    }
  }
}

TEST(CompiledGraph, Normalizations) {
  Network network;
  const ValueId x = network.input({2, 16, 5, 6});
  const ValueId y = network.add(op::MaxPool{square_window(3, 1, 1)}, {x});
  const ValueId rows = network.input({2, 5, 12});
  network.expect_equal(
      {network.norm(x, 16), network.norm(y, 16), network.add(op::Softmax{1}, {y}),
       network.add(op::Softmax{-1}, {rows}), network.add(op::Softmax{-1, true}, {rows}),
       network.add(op::LayerNormalization{-1}, {rows, network.weight({12}), network.weight({12})}),
       network.add(op::LayerNormalization{1}, {rows, network.weight({5, 12})})});
}

TEST(CompiledGraph, MovedElements) {
  Network network;
  const ValueId x = network.input({2, 8, 4, 6});
  const ValueId pooled = network.add(op::MaxPool{square_window(3, 1, 1)}, {x});
  const ValueId joined = network.add(op::Concat{1}, {pooled, x, pooled});
  std::vector<ValueId> outputs = {
      joined,
      network.add(op::Concat{-1}, {pooled, x}),
      network.add(op::Transpose{{0, 2, 3, 1}}, {pooled}),
      network.add(op::Transpose{}, {x}),
      network.add(op::Slice{}, {x, network.integers({1, -1}), network.integers({7, -7}),
                                network.integers({1, 3}), network.integers({2, -2})}),
      network.add(op::Expand{}, {x, network.integers({3, 1, 1, 1, 1})}),
      network.add(op::Tile{}, {x, network.integers({1, 2, 1, 3})}),
      network.add(op::Pad{}, {x, network.integers({0, 0, 1, 2, 0, 1, 0, 3}), network.scalar(0.5)}),
      network.add(op::Gather{1}, {x, network.integers({3, -1, 0})}),
      network.add(op::DepthToSpace{2}, {x}),
      network.add(op::DepthToSpace{2, true}, {x}),
      network.add(op::SpaceToDepth{2}, {x}),
      network.add(op::Reshape{}, {pooled, network.integers({0, -1})}),
      network.add(op::Flatten{1}, {joined}),
      network.add(op::Unsqueeze{}, {x, network.integers({0})}),
      network.add(op::Reduce{}, {pooled, network.integers({2, 3})}),
      network.add(op::Reduce{op::ReduceKind::kMax, false}, {x, network.integers({1})}),
      network.add(op::Reduce{op::ReduceKind::kSum, false}, {x})};
  for (const ValueId part : network.add(op::Split{1, 2}, {x, network.integers({3, 5})}, 2)) {
    outputs.push_back(part);
  }
  network.expect_equal(std::move(outputs));
}

op::Resize resize_of(op::ResizeMode mode, op::ResizePlaces places, op::ResizeNearest nearest = {}) {
  op::Resize resize;
  resize.mode = mode;
  resize.places = places;
  resize.nearest = nearest;
  return resize;
}

TEST(CompiledGraph, ImagesOfAnotherSize) {
  using enum op::ResizePlaces;
  const std::vector<op::Resize> all = {
      resize_of(op::ResizeMode::kNearest, kAsymmetric, op::ResizeNearest::kFloor),
      resize_of(op::ResizeMode::kNearest, kHalfPixel),
      resize_of(op::ResizeMode::kLinear, kHalfPixel),
      resize_of(op::ResizeMode::kLinear, kAlignCorners),
      resize_of(op::ResizeMode::kCubic, kPytorchHalfPixel)};
  for (const op::Resize& resize : all) {
    for (const bool from_pool : {false, true}) {
      Network network;
      ValueId x = network.input({2, 5, 6, 7});
      if (from_pool) x = network.add(op::MaxPool{square_window(3, 1, 1)}, {x});
      const ValueId scales = network.reals({1, 1, 2, 1.5});
      const ValueId sizes = network.integers({2, 5, 4, 9});
      network.expect_equal({network.add(resize, {x, kNoValue, scales}),
                            network.add(resize, {x, kNoValue, kNoValue, sizes})});
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
  const CompiledGraph program(graph, read_weight, {{3, 8, 5, 5}});
  const auto expected = program.run_examples(std::span(&examples, 1), 1);
  ASSERT_EQ(expected[0].shape, (Shape{7, 6, 5, 5}));
  for (const int threads : {2, 5}) {
    EXPECT_EQ(program.run_examples(std::span(&examples, 1), threads), expected);
  }
}

TEST(CompiledGraph, OtherInputsAreRefused) {
  GraphBuilder builder("network");
  const ValueId x = builder.input("x", {4});
  const Graph graph = builder.finish({builder.add("relu", op::Relu{}, {x})});
  const CompiledGraph program(graph, read_weight, {{4}});
  const Constant wrong = random_tensor({5}, 1).as_constant();
  EXPECT_THROW(std::ignore = program.run(std::span(&wrong, 1)), Error);
  EXPECT_THROW(std::ignore = program.run({}), Error);
  EXPECT_THROW(CompiledGraph(graph, read_weight, {{5}}), Error);
}

}  // namespace
}  // namespace narrow
