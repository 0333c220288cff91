#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace narrow {
namespace {

TEST(Parallel, ForCallsEveryIndexOnce) {
  std::vector<std::atomic<int>> calls(1000);
  parallel_for(calls.size(), [&](std::size_t i) { ++calls[i]; });
  for (const auto& count : calls) EXPECT_EQ(count, 1);
}

TEST(Parallel, PipelineKeepsTheOrder) {
  for (const int threads : {1, 4}) {
    const ThreadLimit limit(threads);
    std::vector<int> items(500);
    std::size_t next = 0;
    std::atomic<int> in_flight = 0;
    std::atomic<int> most_in_flight = 0;
    std::vector<int> seen;
    run_pipeline<int>(
        3,
        [&]() -> int* {
          if (next == items.size()) return nullptr;
          most_in_flight = std::max<int>(most_in_flight, ++in_flight);
          items[next] = static_cast<int>(next);
          return &items[next++];
        },
        [](int& item) { item *= 2; },
        [&](int& item) {
          --in_flight;
          seen.push_back(item);
        });
    ASSERT_EQ(seen.size(), items.size());
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], 2 * static_cast<int>(i));
    EXPECT_LE(most_in_flight, 3);
  }
}

TEST(Parallel, PipelinePassesExceptionsOn) {
  int item = 0;
  int left = 10;
  const auto produce = [&]() -> int* { return left-- > 0 ? &item : nullptr; };
  EXPECT_THROW(run_pipeline<int>(
                   2, produce, [](int&) { throw std::runtime_error("work"); }, [](int&) {}),
               std::runtime_error);
}

}  // namespace
}  // namespace narrow
