#include "graph/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <utility>

#include "graph/graph_builder.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// 6 + 3 + 4 * 3 values, with names that are not in alphabetical order.
Graph small_graph() {
  GraphBuilder builder("small");
  const ValueId x = builder.input("x", {1, 2, 4, 4});
  const ValueId y = builder.conv_with_bias("z", x, 2, 3, square_window(1, 1));
  return builder.finish({builder.batch_norm("a", y, 3, {})});
}

std::vector<float> counted(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

TEST(Weights, LieInTheOrderOfTheGraph) {
  const Weights weights(small_graph(), counted(21));
  EXPECT_THAT(weights.values("z/weights"), testing::ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(weights.values("z/biases"), testing::ElementsAre(6, 7, 8));
  EXPECT_THAT(weights.values("a/gamma"), testing::ElementsAre(9, 10, 11));
  EXPECT_THAT(weights.values("a/beta"), testing::ElementsAre(12, 13, 14));
  EXPECT_THAT(weights.values("a/moving_mean"), testing::ElementsAre(15, 16, 17));
  EXPECT_THAT(weights.values("a/moving_variance"), testing::ElementsAre(18, 19, 20));
}

TEST(Weights, AreASourceOfThem) {
  const Graph graph = small_graph();
  const Weights weights(graph, counted(21));
  EXPECT_NO_THROW(check_weights(graph, weights));
  const std::optional<TensorInfo> found = weights.find("z/weights");
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (TensorInfo{"z/weights", DType::kFloat32, {1, 1, 2, 3}}));
  EXPECT_FALSE(weights.find("z"));
  std::vector<float> read(3);
  weights.read("a/beta", read);
  EXPECT_THAT(read, testing::ElementsAre(12, 13, 14));
}

TEST(Weights, AreZeroUntilTheyAreWritten) {
  Weights weights(small_graph());
  EXPECT_THAT(weights.values("z/weights"), testing::ElementsAre(0, 0, 0, 0, 0, 0));
  weights.values("z/biases")[1] = 5;
  const Weights copy = weights;
  weights.values("z/biases")[1] = 6;
  EXPECT_THAT(copy.values("z/biases"), testing::ElementsAre(0, 5, 0));
  EXPECT_THAT(copy.values("z/weights"), testing::Each(0));
  EXPECT_THAT(copy.values("a/gamma"), testing::Each(0));
}

TEST(Weights, AnotherNumberOfValuesIsRefused) {
  const Graph graph = small_graph();
  for (const std::size_t count : {std::size_t{20}, std::size_t{22}}) {
    EXPECT_THAT([&] { Weights(graph, counted(count)); },
                testing::Throws<Error>(testing::AllOf(
                    testing::Property("category", &Error::category, ErrorCategory::kUsage),
                    testing::Property("what", &Error::what,
                                      testing::StrEq("The weights of small have 21 values; found " +
                                                     std::to_string(count) + ".")))));
  }
}

TEST(Weights, ANameThatIsNotThereIsRefused) {
  Weights weights(small_graph());
  const auto not_found = testing::Throws<Error>(
      testing::AllOf(testing::Property("category", &Error::category, ErrorCategory::kNotFound),
                     testing::Property("what", &Error::what, testing::HasSubstr("b/gamma"))));
  EXPECT_THAT([&] { return weights.values("b/gamma"); }, not_found);
  EXPECT_THAT([&] { return std::as_const(weights).values("b/gamma"); }, not_found);
  EXPECT_THAT(
      [&] {
        std::vector<float> read(3);
        weights.read("b/gamma", read);
      },
      not_found);
}

}  // namespace
}  // namespace narrow
