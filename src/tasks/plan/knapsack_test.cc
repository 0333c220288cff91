#include "tasks/plan/knapsack.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <tuple>

#include "base/random.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using Choice = std::vector<std::size_t>;

// Small whole numbers, so that ties are frequent and sums exact.
std::vector<KnapsackItem> small_items() {
  std::vector<KnapsackItem> items(*rc::gen::inRange<std::size_t>(0, 6));
  for (KnapsackItem& item : items) {
    item.resize(*rc::gen::inRange<std::size_t>(1, 6));
    for (KnapsackOption& option : item) {
      option.size = *rc::gen::inRange<std::uint64_t>(0, 25);
      option.damage = *rc::gen::inRange(0, 15);
    }
  }
  return items;
}

// The best of all choices by damage, size and options; none fits: empty optional.
Choice brute_force(const std::vector<KnapsackItem>& items, std::uint64_t budget) {
  Choice choice(items.size(), 0);
  Choice best;
  bool any = false;
  while (true) {
    const std::uint64_t size = size_of(items, choice);
    if (size <= budget) {
      const auto key = [&](const Choice& c) {
        return std::tuple(damage_of(items, c), size_of(items, c), c);
      };
      if (!any || key(choice) < key(best)) best = choice;
      any = true;
    }
    std::size_t i = 0;
    while (i < items.size() && ++choice[i] == items[i].size()) choice[i++] = 0;
    if (i == items.size()) return best;
  }
}

RC_GTEST_PROP(Knapsack, IsTheBestOfAllChoices, ()) {
  const auto items = small_items();
  const std::uint64_t budget = smallest_size(items) + *rc::gen::inRange<std::uint64_t>(0, 60);
  const KnapsackSolution solution = solve_knapsack(items, budget);
  RC_ASSERT(solution.unit == 1u);
  RC_ASSERT(solution.choice == brute_force(items, budget));
  RC_ASSERT(solution.size == size_of(items, solution.choice));
  RC_ASSERT(solution.size <= budget);
  RC_ASSERT(solution.lower_bound <= solution.damage);
}

RC_GTEST_PROP(Knapsack, WithinTightLimitsStaysWithinBudgetAndBound, ()) {
  const auto items = small_items();
  const std::uint64_t budget = smallest_size(items) + *rc::gen::inRange<std::uint64_t>(0, 60);
  const Choice given = brute_force(items, budget / 2 + smallest_size(items) / 2);
  std::vector<Choice> candidates;
  if (given.size() == items.size()) candidates.push_back(given);
  const KnapsackSolution rounded = solve_knapsack(items, budget, candidates, {12, 12});
  const KnapsackSolution exact = solve_knapsack(items, budget);
  RC_ASSERT(rounded.size <= budget);
  RC_ASSERT(rounded.lower_bound <= exact.damage);
  RC_ASSERT(rounded.damage >= exact.damage);
  if (!candidates.empty() && size_of(items, given) <= budget) {
    RC_ASSERT(rounded.damage <= damage_of(items, given));
  }
}

// A network of `count` tensors whose damage falls by a factor of about four a bit.
std::vector<KnapsackItem> network_items(std::size_t count) {
  RandomStream stream(5, "network");
  std::vector<KnapsackItem> items(count);
  for (KnapsackItem& item : items) {
    const std::uint64_t weights = 64 * (1 + stream.below(40000));
    const double scale = 0.1 + stream.uniform();
    for (int bits = 1; bits <= 16; ++bits) {
      item.push_back(
          {weights * bits / 8 + 16, scale * (0.9 + 0.2 * stream.uniform()) * std::pow(0.25, bits)});
    }
  }
  return items;
}

TEST(Knapsack, ANetworkOfDepth101IsSolvedExactly) {
  const auto items = network_items(105);
  std::uint64_t uniform = 0;
  Choice four(items.size(), 3);
  uniform = size_of(items, four);
  const KnapsackSolution solution = solve_knapsack(items, uniform, {{four}});
  EXPECT_EQ(solution.unit, 1u);
  EXPECT_LE(solution.size, uniform);
  EXPECT_LT(solution.damage, damage_of(items, four));
  EXPECT_LE(solution.lower_bound, solution.damage);
  EXPECT_GT(solution.lower_bound, solution.damage * 0.999);
  const KnapsackSolution again = solve_knapsack(items, uniform, {{four}});
  EXPECT_EQ(again.choice, solution.choice);
}

TEST(Knapsack, LimitsRoundSizesUpAndSayTheUnit) {
  const auto items = network_items(60);
  const std::uint64_t budget = size_of(items, Choice(items.size(), 3));
  const KnapsackSolution exact = solve_knapsack(items, budget);
  const KnapsackSolution rounded = solve_knapsack(items, budget, {}, {20000, 20000});
  EXPECT_GT(rounded.unit, 1u);
  EXPECT_LE(rounded.size, budget);
  EXPECT_GE(rounded.damage, exact.damage);
  EXPECT_LT(rounded.damage, exact.damage * 1.01);
}

TEST(Knapsack, EqualDamageTakesTheSmallerThenTheEarlierOption) {
  const std::vector<KnapsackItem> items = {
      {{5, 1}, {3, 1}, {3, 1}}, {{2, 0}, {1, 1}}, {{2, 0}, {1, 1}}};
  const KnapsackSolution all = solve_knapsack(items, 100);
  EXPECT_EQ(all.choice, (Choice{1, 0, 0}));
  // One of the two last items has to be small: the first of them keeps its earlier option.
  EXPECT_EQ(solve_knapsack(items, 6).choice, (Choice{1, 0, 1}));
}

TEST(Knapsack, ABudgetBelowTheSmallestChoiceIsAnError) {
  const std::vector<KnapsackItem> items = {{{5, 1}}, {{7, 0}}};
  EXPECT_THROW(solve_knapsack(items, 11), Error);
  EXPECT_EQ(solve_knapsack(items, 12).size, 12u);
}

TEST(Knapsack, SizesThatDoNotAddUpAndDamageThatIsNoNumberAreErrors) {
  const std::vector<KnapsackItem> huge = {{{std::uint64_t{1} << 62, 1}},
                                          {{std::uint64_t{1} << 62, 1}}};
  EXPECT_THROW(solve_knapsack(huge, ~std::uint64_t{0}), Error);
  const std::vector<KnapsackItem> bad = {{{1, std::nan("")}}};
  EXPECT_THROW(solve_knapsack(bad, 5), Error);
  const std::vector<KnapsackItem> none = {{}};
  EXPECT_THROW(solve_knapsack(none, 5), Error);
}

}  // namespace
}  // namespace narrow
