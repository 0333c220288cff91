// The last step of a knapsack: what is left of the budget is used by exchanging single options.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tasks/plan/knapsack.h"

namespace narrow {

// Changes `choice`, an option of each item: again and again the one exchange that fits into `slack`
// and saves most damage for its size (of equal ones the first), until none is left. An exchange
// that saves damage and does not grow comes first. Takes time for the options once and for each
// exchange a logarithm of that.
void use_slack(std::span<const KnapsackItem> items, std::uint64_t slack,
               std::vector<std::size_t>& choice);

}  // namespace narrow
