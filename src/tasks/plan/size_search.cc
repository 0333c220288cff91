#include "tasks/plan/size_search.h"

#include <algorithm>

namespace narrow {

std::optional<std::uint64_t> least_passing_size(
    const SizeSearch& search, const std::function<SizeTrial(std::uint64_t)>& attempt) {
  std::optional<std::uint64_t> passing;
  std::optional<std::uint64_t> failing;
  std::uint64_t size = search.start;
  std::uint64_t step_up = search.step;
  for (int trial = 0; trial < search.most_trials; ++trial) {
    const SizeTrial found = attempt(size);
    if (found.passes) {
      passing = std::min(passing.value_or(found.size), found.size);
      if (*passing <= search.least) break;
    } else {
      failing = size;
      if (size == search.most) break;
    }
    if (!failing) {
      size = *passing - std::min(search.step, *passing - search.least);
    } else if (!passing) {
      size += std::min(step_up, search.most - size);
      step_up += std::min(step_up, search.most);
    } else if (*passing <= *failing || *passing - *failing <= search.resolution) {
      break;
    } else {
      size = *failing + (*passing - *failing) / 2;
    }
  }
  return passing;
}

}  // namespace narrow
