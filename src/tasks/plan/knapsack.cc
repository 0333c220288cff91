// 1. The Lagrangian relaxation gives a lower bound, a price of size, and a first choice; the better
//    of it and the candidates is the known damage.
// 2. Item by item, every state (size, damage) of the items so far is extended by every option. The
//    lists, sorted by size, are merged; states that another one beats in both are dropped, and so
//    are those whose damage plus the bound for the rest exceeds the known damage.
// 3. The last state of the last list is the optimum; parents lead back to its options.
// 4. When that exceeds the limits, sizes are rounded up to a unit with which it cannot; what is
//    left of the budget goes to the exchanges that gain most (slack_exchanges.cc).
#include "tasks/plan/knapsack.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "narrow/error.h"
#include "tasks/plan/lagrangian.h"
#include "tasks/plan/slack_exchanges.h"

namespace narrow {
namespace {

using Choice = std::vector<std::size_t>;

constexpr std::uint64_t kLargestSize = std::numeric_limits<std::int64_t>::max();

// A choice for the first items, `size` beyond the smallest one.
struct State {
  std::uint64_t size = 0;
  double damage = 0;
  std::uint32_t parent = 0;  // in the layer of the item before
  std::uint32_t option = 0;
};

using Frontier = std::vector<State>;

// Lists of states, one layer an item: by rising size and falling damage.
class StateSearch {
 public:
  StateSearch(std::span<const KnapsackItem> items, std::uint64_t room, std::uint64_t unit,
              const Lagrangian& relaxed, double known_damage, const KnapsackLimits& limits)
      : items_(items),
        room_(room),
        unit_(unit),
        price_(relaxed.price),
        // A little above what is known, so that rounding never drops a state that ties with it.
        ceiling_(known_damage * (1 + 1e-9) + 1e-12 * relaxed.price * static_cast<double>(room)),
        limits_(limits) {
    rest_.assign(items.size() + 1, -relaxed.price * static_cast<double>(room));
    for (std::size_t i = items.size(); i-- > 0;) rest_[i] = rest_[i + 1] + relaxed.least_cost[i];
  }

  // False when the limits stopped it.
  bool run() {
    layers_.push_back({State{}});
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const Frontier& before = layers_.back();
      steps_ += before.size() * items_[i].size();
      if (steps_ > limits_.steps) return false;
      Frontier layer = extended(before, i);
      states_ += layer.size();
      if (states_ > limits_.states) return false;
      layers_.push_back(std::move(layer));
    }
    return true;
  }

  // The best state's choice; none when every one was dropped for what was known before.
  [[nodiscard]] std::optional<Choice> best() const {
    if (layers_.back().empty()) return std::nullopt;
    Choice choice(items_.size());
    std::size_t at = layers_.back().size() - 1;
    for (std::size_t i = items_.size(); i-- > 0;) {
      const State& state = layers_[i + 1][at];
      choice[i] = state.option;
      at = state.parent;
    }
    return choice;
  }

 private:
  [[nodiscard]] Frontier extended(const Frontier& before, std::size_t item) const {
    std::uint64_t least = kLargestSize;
    for (const KnapsackOption& option : items_[item]) least = std::min(least, option.size);
    Frontier merged;
    for (std::size_t o = 0; o < items_[item].size(); ++o) {
      const KnapsackOption& option = items_[item][o];
      const std::uint64_t growth = (option.size - least + unit_ - 1) / unit_ * unit_;
      Frontier added;
      for (std::size_t s = 0; s < before.size(); ++s) {
        const std::uint64_t size = before[s].size + growth;
        if (size > room_) break;
        const double damage = before[s].damage + option.damage;
        if (damage + price_ * static_cast<double>(size) + rest_[item + 1] > ceiling_) continue;
        added.push_back(
            {size, damage, static_cast<std::uint32_t>(s), static_cast<std::uint32_t>(o)});
      }
      merged = merged.empty() ? std::move(added) : merge(merged, added);
    }
    return merged;
  }

  // Both lists in one, without the states that another one beats.
  [[nodiscard]] Frontier merge(const Frontier& a, const Frontier& b) const {
    Frontier merged;
    merged.reserve(a.size() + b.size());
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0, j = 0; i < a.size() || j < b.size();) {
      const bool from_a = j == b.size() || (i < a.size() && comes_first(a[i], b[j]));
      const State& state = from_a ? a[i++] : b[j++];
      if (state.damage >= least) continue;
      least = state.damage;
      merged.push_back(state);
    }
    return merged;
  }

  [[nodiscard]] bool comes_first(const State& a, const State& b) const {
    if (a.size != b.size) return a.size < b.size;
    if (a.damage != b.damage) return a.damage < b.damage;
    return has_earlier_options(a, b);
  }

  // Two states of the layer that is being made: which one has the earlier option at the first item
  // where they differ.
  [[nodiscard]] bool has_earlier_options(State a, State b) const {
    bool earlier = a.option < b.option;
    for (std::size_t layer = layers_.size() - 1; a.parent != b.parent; --layer) {
      a = layers_[layer][a.parent];
      b = layers_[layer][b.parent];
      if (a.option != b.option) earlier = a.option < b.option;
    }
    return earlier;
  }

  std::span<const KnapsackItem> items_;
  std::uint64_t room_;
  std::uint64_t unit_;
  double price_;
  double ceiling_;
  const KnapsackLimits& limits_;
  std::vector<double> rest_;  // what the items from here on add to the bound at least
  std::vector<Frontier> layers_;
  std::uint64_t steps_ = 0;
  std::uint64_t states_ = 0;
};

// Less damage, then smaller, then earlier options.
bool is_better(std::span<const KnapsackItem> items, const Choice& a, const Choice& b) {
  const double damage_a = damage_of(items, a);
  const double damage_b = damage_of(items, b);
  if (damage_a != damage_b) return damage_a < damage_b;
  const std::uint64_t size_a = size_of(items, a);
  const std::uint64_t size_b = size_of(items, b);
  return size_a != size_b ? size_a < size_b : a < b;
}

// States differ in size: with the budget cut into so many units they stay within the limits.
std::uint64_t units_within(std::span<const KnapsackItem> items, const KnapsackLimits& limits) {
  std::uint64_t widest = 1;
  for (const KnapsackItem& item : items) widest = std::max<std::uint64_t>(widest, item.size());
  const std::uint64_t states = std::min(limits.states, limits.steps / widest);
  return std::max<std::uint64_t>(states / items.size(), 2) - 1;
}

std::optional<Choice> search_in_units(std::span<const KnapsackItem> items, std::uint64_t budget,
                                      std::uint64_t unit, const Lagrangian& relaxed,
                                      double known_damage) {
  constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t room = budget - smallest_size(items);
  const KnapsackLimits unlimited{kNoLimit, kNoLimit};
  StateSearch search(items, room, unit, relaxed, known_damage, unlimited);
  search.run();
  std::optional<Choice> found = search.best();
  if (found) use_slack(items, budget - size_of(items, *found), *found);
  return found;
}

void check(std::span<const KnapsackItem> items, std::uint64_t budget) {
  const std::uint64_t least = smallest_size(items);
  if (least > budget) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("the smallest choice has size {}, above the budget of {}", least, budget));
  }
  for (const KnapsackItem& item : items) {
    for (const KnapsackOption& option : item) {
      if (std::isfinite(option.damage) && option.damage >= 0) continue;
      throw Error(ErrorCategory::kUsage, "the damage of an option is not a finite number >= 0");
    }
  }
}

}  // namespace

std::uint64_t smallest_size(std::span<const KnapsackItem> items) {
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  for (const KnapsackItem& item : items) {
    const auto by_size = [](const KnapsackOption& a, const KnapsackOption& b) {
      return a.size < b.size;
    };
    const auto [small, large] = std::minmax_element(item.begin(), item.end(), by_size);
    if (small == item.end()) throw Error(ErrorCategory::kUsage, "an item has no option");
    least += small->size;
    if (!checked_add(most, large->size, &most) || most > kLargestSize) {
      throw Error(ErrorCategory::kUsage, "the sizes do not fit in 63 bits");
    }
  }
  return least;
}

std::uint64_t size_of(std::span<const KnapsackItem> items, std::span<const std::size_t> choice) {
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < items.size(); ++i) size += items[i][choice[i]].size;
  return size;
}

double damage_of(std::span<const KnapsackItem> items, std::span<const std::size_t> choice) {
  double damage = 0;
  for (std::size_t i = 0; i < items.size(); ++i) damage += items[i][choice[i]].damage;
  return damage;
}

KnapsackSolution solve_knapsack(std::span<const KnapsackItem> items, std::uint64_t budget,
                                std::span<const std::vector<std::size_t>> candidates,
                                const KnapsackLimits& limits) {
  check(items, budget);
  const std::uint64_t room = budget - smallest_size(items);
  const Lagrangian relaxed = relax_knapsack(items, budget);
  KnapsackSolution solution;
  solution.choice = relaxed.choice;
  use_slack(items, budget - size_of(items, solution.choice), solution.choice);
  for (const Choice& candidate : candidates) {
    if (size_of(items, candidate) > budget) continue;
    if (is_better(items, candidate, solution.choice)) solution.choice = candidate;
  }
  const double known = damage_of(items, solution.choice);
  std::optional<Choice> found;
  StateSearch exact(items, room, 1, relaxed, known, limits);
  if (exact.run()) {
    found = exact.best();
  } else {
    solution.unit = room / units_within(items, limits) + 1;
    found = search_in_units(items, budget, solution.unit, relaxed, known);
  }
  if (found && is_better(items, *found, solution.choice)) solution.choice = *found;
  solution.size = size_of(items, solution.choice);
  solution.damage = damage_of(items, solution.choice);
  // The bound is a difference of large sums, which may round to above a damage that meets it.
  solution.lower_bound = std::clamp(relaxed.bound, 0.0, solution.damage);
  return solution;
}

}  // namespace narrow
