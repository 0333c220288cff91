#include "quant/fitting/lloyd_max.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

namespace narrow {
namespace {

// Positions in the sorted values where something begins, and their number at the end.
using Bounds = std::vector<std::size_t>;

// Where a new value begins.
Bounds distinct_bounds(std::span<const float> values) {
  Bounds bounds;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i == 0 || values[i] != values[i - 1]) bounds.push_back(i);
  }
  bounds.push_back(values.size());
  return bounds;
}

// Of the beginnings of distinct values those that lie in another cell of a grid of values or of a
// grid of ranks than the one before: fine where values are dense and where they are few.
Bounds grid_bounds(std::span<const float> values, const Bounds& distinct) {
  constexpr std::size_t kCells = 8192;
  const double lo = values.front();
  const double up = double{kCells} / (double{values.back()} - lo);
  const std::size_t count = distinct.size() - 1;
  using Cell = std::pair<std::size_t, std::size_t>;
  const auto cell_of = [&](std::size_t i) {
    const double offset = double{values[distinct[i]]} - lo;
    return Cell(static_cast<std::size_t>(offset * up), i * kCells / count);
  };
  Bounds bounds = {0};
  for (std::size_t i = 1; i < count; ++i) {
    if (cell_of(i) != cell_of(i - 1)) bounds.push_back(distinct[i]);
  }
  bounds.push_back(values.size());
  return bounds;
}

// One-dimensional k-means by dynamic programming: the least cost of the first j points in q
// clusters, for one q after the other. Where the last cluster begins never moves back when j grows,
// so each row is filled by halves (Wu, 1991; Gronlund et al., arXiv 1701.07204).
class ClusterRows {
 public:
  ClusterRows(const PrefixMoments& moments, const Bounds& points, std::size_t clusters)
      : moments_(moments),
        points_(points),
        clusters_(clusters),
        count_(points.size() - 1),
        cost_(points.size()) {
    for (std::size_t j = 1; j <= count_; ++j) cost_[j] = scatter(0, j);
    for (std::size_t q = 2; q <= clusters; ++q) add_row(q);
  }

  // Where the clusters begin, as positions in the sorted values, and their number.
  [[nodiscard]] Bounds bounds() const {
    Bounds bounds = {points_[count_]};
    std::size_t end = count_;
    for (std::size_t q = begins_.size(); q > 0; --q) {
      end = begins_[q - 1][end];
      bounds.push_back(points_[end]);
    }
    bounds.push_back(0);
    std::reverse(bounds.begin(), bounds.end());
    return bounds;
  }

 private:
  [[nodiscard]] double scatter(std::size_t begin, std::size_t end) const {
    return moments_.scatter(points_[begin], points_[end]);
  }

  void add_row(std::size_t clusters) {
    next_cost_.assign(points_.size(), 0);
    begins_.emplace_back(points_.size());
    // Of the last row only its last entry is needed.
    const std::size_t first = clusters == clusters_ ? count_ : clusters;
    fill(first, count_, clusters - 1, count_ - 1);
    cost_.swap(next_cost_);
  }

  // Entries [first, last], whose last clusters begin in [least, most].
  void fill(std::size_t first, std::size_t last, std::size_t least, std::size_t most) {
    if (first > last) return;
    const std::size_t middle = first + (last - first) / 2;
    const std::size_t end = std::min(most, middle - 1);
    std::size_t best = least;
    double best_cost = cost_[least] + scatter(least, middle);
    for (std::size_t begin = least + 1; begin <= end; ++begin) {
      const double cost = cost_[begin] + scatter(begin, middle);
      if (cost < best_cost) {
        best_cost = cost;
        best = begin;
      }
    }
    next_cost_[middle] = best_cost;
    begins_.back()[middle] = static_cast<std::uint16_t>(best);
    fill(first, middle - 1, least, best);
    fill(middle + 1, last, best, most);
  }

  const PrefixMoments& moments_;
  const Bounds& points_;
  std::size_t clusters_;
  std::size_t count_;
  std::vector<double> cost_;                        // entry j: of the first j points
  std::vector<double> next_cost_;                   // with one cluster more
  std::vector<std::vector<std::uint16_t>> begins_;  // for two clusters, three, ...
};

// Moves each bound to the middle between the means beside it until none moves.
void iterate(const PrefixMoments& moments, Bounds* bounds) {
  const std::span<const float> values = moments.values();
  const std::size_t clusters = bounds->size() - 1;
  for (int step = 0; step < kMaxLloydSteps; ++step) {
    Bounds next = *bounds;
    for (std::size_t i = 1; i < clusters; ++i) {
      const double left = moments.mean((*bounds)[i - 1], (*bounds)[i]);
      const double right = moments.mean((*bounds)[i], (*bounds)[i + 1]);
      const double middle = (left + right) / 2;
      const auto belongs = [&](float x) { return double{x} <= middle; };
      next[i] =
          static_cast<std::size_t>(std::ranges::partition_point(values, belongs) - values.begin());
    }
    // A cluster that loses all its values ends the search.
    if (next == *bounds || std::ranges::adjacent_find(next, std::greater_equal<>()) != next.end()) {
      return;
    }
    bounds->swap(next);
  }
}

// The mean of the values of each cluster, each summed from zero.
std::vector<float> means(std::span<const float> values, const Bounds& bounds) {
  std::vector<float> levels;
  for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
    double sum = 0;
    for (std::size_t j = bounds[i]; j < bounds[i + 1]; ++j) sum += double{values[j]};
    levels.push_back(static_cast<float>(sum / static_cast<double>(bounds[i + 1] - bounds[i])));
  }
  return levels;
}

Bounds best_bounds(std::span<const float> values, std::size_t clusters) {
  const Bounds distinct = distinct_bounds(values);
  if (distinct.size() - 1 <= clusters) return distinct;
  const PrefixMoments moments(values);
  if (distinct.size() - 1 <= kMaxExactDistinct) {
    return ClusterRows(moments, distinct, clusters).bounds();
  }
  Bounds bounds = ClusterRows(moments, grid_bounds(values, distinct), clusters).bounds();
  iterate(moments, &bounds);
  return bounds;
}

}  // namespace

std::vector<float> lloyd_max_levels(std::span<const float> ascending, int bits) {
  const std::size_t count = std::size_t{1} << bits;
  if (ascending.empty()) return std::vector<float>(count);
  std::vector<float> levels = means(ascending, best_bounds(ascending, count));
  levels.resize(count, levels.back());
  return levels;
}

}  // namespace narrow
