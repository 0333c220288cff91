// Products of matrices with what follows them, and the Softmax of attention, against the reference
// operators.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "nn/testing/random_network.h"

namespace narrow {
namespace {

TEST(CompiledProducts, Products) {
  const std::vector<std::pair<Shape, Shape>> shapes = {{{5, 7}, {7, 9}},
                                                       {{2, 5, 7}, {7, 9}},
                                                       {{3, 2, 5, 7}, {3, 2, 7, 4}},
                                                       {{3, 1, 5, 7}, {2, 7, 4}},
                                                       {{1, 12, 16, 8}, {1, 12, 8, 16}}};
  for (const auto& [a, b] : shapes) {
    RandomNetwork network;
    const ValueId left = network.input(a);
    const ValueId right = network.input(b);
    const ValueId stored = network.add(op::MatMul{}, {left, network.weight(b)});
    network.expect_equal({network.add(op::MatMul{}, {left, right}), stored});
  }
  for (const double beta : {1, 2}) {
    RandomNetwork network;
    const op::Gemm gemm{1, beta, false, true};
    network.expect_equal(
        {network.add(gemm, {network.input({5, 7}), network.weight({9, 7}), network.weight({9})})});
  }
  for (const bool transposed : {false, true}) {
    RandomNetwork network;
    const ValueId a = network.input(transposed ? Shape{7, 5} : Shape{5, 7});
    const ValueId b = network.weight(transposed ? Shape{9, 7} : Shape{7, 9});
    const op::Gemm gemm{1, 2, transposed, transposed};
    network.expect_equal({network.add(gemm, {a, b, network.weight({9})})});
  }
}

TEST(CompiledProducts, WhatFollowsAProduct) {
  struct Case {
    Shape x;
    std::string steps;  // of what was joined
    std::function<ValueId(RandomNetwork&, ValueId x, ValueId y)> follow;
  };
  const auto biased = [](RandomNetwork& n, ValueId y) {
    return n.add(op::Add{}, {n.weight({20}), y});
  };
  const auto mul = op::Binary{op::BinaryKind::kMul};
  const std::vector<Case> cases = {
      {{3, 5, 20}, "MatMul+Add", [&](auto& n, ValueId, ValueId y) { return biased(n, y); }},
      {{5, 20},
       "MatMul+Add+Gelu",
       [&](auto& n, ValueId, ValueId y) {
         return n.add(op::Activation{op::ActivationKind::kGelu, 1, 0}, {biased(n, y)});
       }},
      {{2, 5, 20},
       "MatMul+Mul+Add+Add+Relu",
       [&](auto& n, ValueId x, ValueId y) {
         const ValueId scaled = biased(n, n.add(mul, {y, n.weight({1, 1, 20})}));
         return n.add(op::Relu{}, {n.add(op::Add{}, {x, scaled})});
       }},
      {{2, 20, 20},
       "MatMul",
       [&](auto& n, ValueId, ValueId y) {
         return n.add(op::Add{}, {y, n.weight({20, 1})});
       }},
      {{1, 20, 20}, "MatMul", [&](auto& n, ValueId, ValueId y) { return n.norm(y, 20); }},
      {{7, 20},
       "MatMul+BatchNormalization",
       [&](auto& n, ValueId, ValueId y) { return n.norm(y, 20); }},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.steps);
    RandomNetwork network;
    const ValueId x = network.input(test.x);
    const ValueId y = network.add(op::MatMul{}, {x, network.weight({20, 20})});
    network.expect_equal({test.follow(network, x, y)});
    EXPECT_EQ(network.step_operators().front(), test.steps);
  }
}

// Rows of which a mask may hide everything, with what guards against that.
TEST(CompiledProducts, SoftmaxOfAttention) {
  struct Case {
    Shape mask;
    std::string steps;
  };
  const std::string whole = "Add+Softmax+IsNaN+Where";
  for (const std::int64_t columns : {3, 37}) {
    const std::vector<Case> cases = {{{2, 3, 5, columns}, whole},
                                     {{5, columns}, whole},
                                     {{2, 1, 5, columns}, whole},
                                     {{columns}, whole},
                                     {{3, 5, 1}, "Softmax+IsNaN+Where"}};
    for (const Case& test : cases) {
      SCOPED_TRACE(to_string(test.mask));
      RandomNetwork network;
      const ValueId x = network.input({2, 3, 5, columns});
      const ValueId seen = network.add(op::Relu{}, {network.input(test.mask)});
      const ValueId mask = network.add(op::Unary{op::UnaryKind::kLog}, {seen});
      const ValueId sum = network.add(op::Add{}, {mask, x});
      const ValueId y = network.add(op::Softmax{-1}, {sum});
      const ValueId is_nan = network.add(op::Unary{op::UnaryKind::kIsNaN}, {y});
      network.expect_equal({network.add(op::Where{}, {is_nan, network.scalar(0.25), y})});
      EXPECT_EQ(network.step_operators().back(), test.steps);
    }
  }
  RandomNetwork network;
  const ValueId x = network.input({4, 8});
  const ValueId biased = network.add(
      op::Add{}, {network.add(op::MatMul{}, {x, network.weight({8, 9})}), network.weight({9})});
  network.expect_equal({network.add(op::Softmax{1}, {biased}), network.add(op::Softmax{0}, {x})});
  EXPECT_EQ(network.step_operators().front(), "MatMul+Add");
}

}  // namespace
}  // namespace narrow
