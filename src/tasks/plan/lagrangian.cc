#include "tasks/plan/lagrangian.h"

#include <algorithm>
#include <numeric>

namespace narrow {
namespace {

// From one option on the hull of an item to the next larger one.
struct HullStep {
  std::size_t item = 0;
  std::size_t option = 0;  // the larger one
  std::uint64_t growth = 0;
  double gain = 0;  // damage saved by a unit of size
};

double slope(const KnapsackOption& from, const KnapsackOption& to) {
  return (from.damage - to.damage) / static_cast<double>(to.size - from.size);
}

// Options on the lower convex hull of (size, damage), by rising size and falling damage. The first
// has the least size there is.
std::vector<std::size_t> lower_hull(const KnapsackItem& item) {
  std::vector<std::size_t> order(item.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return item[a].size != item[b].size ? item[a].size < item[b].size
                                        : item[a].damage < item[b].damage;
  });
  std::vector<std::size_t> hull;
  for (const std::size_t next : order) {
    if (!hull.empty() && item[next].damage >= item[hull.back()].damage) continue;
    while (hull.size() >= 2 && slope(item[hull[hull.size() - 2]], item[hull.back()]) <=
                                   slope(item[hull.back()], item[next])) {
      hull.pop_back();
    }
    hull.push_back(next);
  }
  return hull;
}

double least_cost(const KnapsackItem& item, std::uint64_t least_size, double price) {
  double least = 0;
  for (std::size_t o = 0; o < item.size(); ++o) {
    const double cost = item[o].damage + price * static_cast<double>(item[o].size - least_size);
    least = o == 0 ? cost : std::min(least, cost);
  }
  return least;
}

}  // namespace

Lagrangian relax_knapsack(std::span<const KnapsackItem> items, std::uint64_t budget) {
  Lagrangian result;
  std::vector<HullStep> steps;
  std::vector<std::uint64_t> least_sizes;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::vector<std::size_t> hull = lower_hull(items[i]);
    result.choice.push_back(hull.front());
    least_sizes.push_back(items[i][hull.front()].size);
    for (std::size_t k = 1; k < hull.size(); ++k) {
      const KnapsackOption& from = items[i][hull[k - 1]];
      const KnapsackOption& to = items[i][hull[k]];
      steps.push_back({i, hull[k], to.size - from.size, slope(from, to)});
    }
  }
  std::ranges::stable_sort(steps, [](const auto& a, const auto& b) { return a.gain > b.gain; });
  const std::uint64_t room =
      budget - std::accumulate(least_sizes.begin(), least_sizes.end(), std::uint64_t{0});
  std::uint64_t left = room;
  std::vector<bool> ended(items.size(), false);
  bool is_full = false;
  for (const HullStep& step : steps) {
    if (ended[step.item]) continue;
    if (step.growth <= left) {
      left -= step.growth;
      result.choice[step.item] = step.option;
      continue;
    }
    if (!is_full) result.price = step.gain;
    is_full = true;
    ended[step.item] = true;
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    result.least_cost.push_back(least_cost(items[i], least_sizes[i], result.price));
    result.bound += result.least_cost.back();
  }
  result.bound -= result.price * static_cast<double>(room);
  return result;
}

}  // namespace narrow
