// The relaxation of the multiple-choice knapsack that charges a price for size instead of
// forbidding too much of it.
#pragma once

#include "tasks/plan/knapsack.h"

namespace narrow {

struct Lagrangian {
  double price = 0;  // lambda: damage for one unit of size
  // For every item the least of damage + price * (size - least size of the item).
  std::vector<double> least_cost;
  // sum of least_cost - price * (budget - smallest size): no choice within the budget has less
  // damage (Everett, "Generalized Lagrange Multiplier Method for Solving Problems of Optimum
  // Allocation of Resources", Operations Research 11(3), 1963).
  double bound = 0;
  // A choice within the budget: along the lower convex hulls, steepest step first.
  std::vector<std::size_t> choice;
};

// At the price that makes the bound greatest: the slope of the hull step that does not fit.
// The smallest choice must fit in the budget.
Lagrangian relax_knapsack(std::span<const KnapsackItem> items, std::uint64_t budget);

}  // namespace narrow
