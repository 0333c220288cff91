// Test support: graphs whose program is compared with the reference operators.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "graph/testing/hashed_values.h"
#include "nn/inference/compiled_graph.h"
#include "nn/reference/reference_network.h"

namespace narrow {

// Values that depend on the seed alone.
inline ReferenceTensor random_tensor(Shape shape, unsigned seed, double least = -1,
                                     double most = 1) {
  ReferenceTensor x = ReferenceTensor::zeros(std::move(shape), DType::kFloat32);
  std::uint32_t index = seed << 20;
  for (double& value : x.values) {
    value = static_cast<float>(least + (most - least) * hashed_uniform(index++));
  }
  return x;
}

inline ReferenceTensor random_weight(const Weight& weight) {
  const double least = weight.role == WeightRole::kMovingVariance ? 0.5 : -1;
  return random_tensor(weight.shape, static_cast<unsigned>(weight.name.size()), least);
}

inline GraphArray random_array(const Weight& weight) { return random_weight(weight).as_constant(); }

// A graph of one test, put together node by node.
class RandomNetwork {
 public:
  RandomNetwork() : builder_("network") {}

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
    const CompiledGraph program(graph, random_array, shapes);
    for (const CompiledStep& step : program.steps()) {
      EXPECT_FALSE(step.is_reference) << step.operators << " " << step.node;
      step_operators_.push_back(step.operators);
    }
    const auto expected = run_reference(graph, random_weight, inputs_);
    for (int repeat = 0; repeat < 2; ++repeat) {
      const auto found = program.run(arrays);
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        expect_close(ReferenceTensor::of(found[i]), expected[i]);
      }
    }
  }

  // Of the program that expect_equal() compared.
  [[nodiscard]] const std::vector<std::string>& step_operators() const { return step_operators_; }

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
  std::vector<std::string> step_operators_;
  std::size_t weights_ = 0;
  int nodes_ = 0;
};

}  // namespace narrow
