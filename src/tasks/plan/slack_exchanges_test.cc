#include "tasks/plan/slack_exchanges.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <random>

namespace narrow {
namespace {

using Choice = std::vector<std::size_t>;

// The definition, item by item: every exchange is looked for among all of them.
void use_slack_slowly(std::span<const KnapsackItem> items, std::uint64_t slack, Choice& choice) {
  while (true) {
    std::optional<std::pair<std::size_t, std::size_t>> best;
    double best_gain = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const KnapsackOption& now = items[i][choice[i]];
      for (std::size_t o = 0; o < items[i].size(); ++o) {
        const KnapsackOption& other = items[i][o];
        if (other.damage >= now.damage || other.size > now.size + slack) continue;
        const double gain = other.size > now.size ? (now.damage - other.damage) /
                                                        static_cast<double>(other.size - now.size)
                                                  : std::numeric_limits<double>::infinity();
        if (best && gain <= best_gain) continue;
        best = {i, o};
        best_gain = gain;
      }
    }
    if (!best) return;
    slack = slack + items[best->first][choice[best->first]].size -
            items[best->first][best->second].size;
    choice[best->first] = best->second;
  }
}

// Few different numbers, so that many exchanges tie, and options that another one beats.
TEST(SlackExchanges, AreThoseOfTheDefinition) {
  std::mt19937 random(1);
  const auto below = [&](std::uint32_t limit) { return random() % limit; };
  for (int round = 0; round < 2000; ++round) {
    std::vector<KnapsackItem> items(1 + below(12));
    for (KnapsackItem& item : items) {
      item.resize(1 + below(6));
      for (KnapsackOption& option : item) {
        option = {.size = below(9), .damage = static_cast<double>(below(12)) / 4};
      }
    }
    Choice expected;
    for (const KnapsackItem& item : items) {
      expected.push_back(below(static_cast<std::uint32_t>(item.size())));
    }
    Choice found = expected;
    const std::uint64_t slack = below(30);
    use_slack_slowly(items, slack, expected);
    use_slack(items, slack, found);
    ASSERT_EQ(found, expected) << "round " << round;
  }
}

// The definition would take hours.
TEST(SlackExchanges, OfManyItemsAreFoundSoon) {
  const std::size_t count = 300'000;
  const std::vector<KnapsackItem> items(
      count, {{.size = 1, .damage = 4}, {.size = 2, .damage = 2}, {.size = 3, .damage = 1}});
  Choice choice(count, 0);
  use_slack(items, 2 * count, choice);
  EXPECT_EQ(choice, Choice(count, 2));
}

}  // namespace
}  // namespace narrow
