#include "nn/example_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/constants.h"
#include "narrow/error.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

using Integers = std::vector<std::int64_t>;

GraphArray array(const Shape& shape, const Integers& values) {
  return {DType::kInt64, shape, encode_integers(DType::kInt64, values)};
}

TEST(RunGroups, GivesWhatOneRunGivesAndTakesNoMoreThanItSays) {
  const GraphArrays inputs = {array({5, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}),
                              array({5}, {10, 11, 12, 13, 14})};
  const auto same = [](std::span<const GraphArray> group) {
    EXPECT_LE(group[0].shape[0], 2);
    EXPECT_EQ(group[0].shape[0], group[1].shape[0]);
    return GraphArrays(group.begin(), group.end());
  };
  EXPECT_EQ(run_groups(inputs, 2, same), inputs);
}

TEST(RunGroups, SingleNumbersBecomeAnAxis) {
  const GraphArrays inputs = {array({3}, {4, 5, 6})};
  const auto number = [](std::span<const GraphArray> group) {
    return GraphArrays{{DType::kInt64, {}, group[0].bytes}};
  };
  EXPECT_EQ(run_groups(inputs, 1, number), inputs);
}

TEST(JoinGroups, RefusesOtherSizes) {
  const std::vector<GraphArrays> groups = {{array({1, 2}, {1, 2})}, {array({1, 3}, {1, 2, 3})}};
  EXPECT_THAT([&] { (void)join_groups(groups); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("[1, 2] for one example")));
}

TEST(SharedExamples, RefusesOtherCounts) {
  const GraphArrays arrays = {array({2}, {1, 2}), array({1}, {1})};
  EXPECT_THAT([&] { (void)shared_examples(arrays); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("[2] and [1]")));
}

}  // namespace
}  // namespace narrow
