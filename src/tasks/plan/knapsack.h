// The multiple-choice knapsack: one option of every item, the least damage that fits in a budget.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace narrow {

struct KnapsackOption {
  std::uint64_t size = 0;
  double damage = 0;  // finite, not negative
};

// At least one option. Among equally good ones the earlier is preferred.
using KnapsackItem = std::vector<KnapsackOption>;

struct KnapsackSolution {
  std::vector<std::size_t> choice;  // the option of each item
  std::uint64_t size = 0;
  double damage = 0;       // summed from the first item to the last
  double lower_bound = 0;  // no choice within the budget damages less
  // 1: no choice within the budget damages less than this one (but for rounding of the sums).
  // Otherwise the search was for sizes rounded up to so many, and the bound says what may be left.
  std::uint64_t unit = 1;
};

struct KnapsackLimits {
  std::uint64_t steps = 100'000'000;  // combinations of a state and an option
  std::uint64_t states = 4'000'000;   // kept for the way back, 24 bytes each
};

// Size of the smallest choice. Throws Error(kUsage) when sizes do not fit in 63 bits.
std::uint64_t smallest_size(std::span<const KnapsackItem> items);

// Size and damage of a choice.
std::uint64_t size_of(std::span<const KnapsackItem> items, std::span<const std::size_t> choice);
double damage_of(std::span<const KnapsackItem> items, std::span<const std::size_t> choice);

// Dynamic programming over the items in their order (Kellerer, Pferschy, Pisinger, "Knapsack
// Problems", 2004, chapter 11): a state is the size and the damage of a choice for the items so
// far; a state that another one beats in both, or that the Lagrangian bound shows to end above a
// solution already known, is dropped. Of choices with equal damage the smaller one is taken, and of
// those with equal size too the one whose first different item has the earlier option. When exact
// sizes exceed the limits, they are rounded up to a unit with which they cannot, and what is left
// of the budget is used by the exchanges that gain most for their size.
// The result is never worse than any of `candidates` that fits, and the same on every machine.
// Throws Error(kUsage) when even the smallest choice is larger than the budget, or for an option
// that is not finite.
KnapsackSolution solve_knapsack(std::span<const KnapsackItem> items, std::uint64_t budget,
                                std::span<const std::vector<std::size_t>> candidates = {},
                                const KnapsackLimits& limits = {});

}  // namespace narrow
