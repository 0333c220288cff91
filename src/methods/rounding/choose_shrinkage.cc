#include "methods/rounding/choose_shrinkage.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "base/parallel.h"

namespace narrow {
namespace {

constexpr std::array<double, 6> kShrinkages = {0, 0.03, 0.1, 0.3, 1, 3};
constexpr std::size_t kMostSampled = 24;

// What some of the rows of a layer are rounded for.
class SampledGoals {
 public:
  SampledGoals(const RowGoals& goals, const PatchMoments& moments)
      : moments_(moments), centered_(goals.centered) {
    const std::size_t count = std::min(kMostSampled, moments.outputs);
    moments_.outputs = count;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = i * moments.outputs / count;
      moments_.product_mean[i] = moments.product_mean[row];
      moments_.product_second[i] = moments.product_second[row];
      const std::size_t first = row * moments.size;
      std::copy_n(moments.cross.begin() + static_cast<std::ptrdiff_t>(first), moments.size,
                  moments_.cross.begin() + static_cast<std::ptrdiff_t>(i * moments.size));
      const std::span<const float> values = goals.rows.subspan(first, moments.size);
      rows_.insert(rows_.end(), values.begin(), values.end());
      offsets_.push_back(goals.offsets[row]);
    }
  }

  [[nodiscard]] RowGoals goals(double shrinkage) const {
    return {&moments_, rows_, offsets_, centered_, shrinkage};
  }
  // Of each row as a part of the power of its wanted products.
  [[nodiscard]] double cost(std::span<const float> rounded) const {
    const std::vector<double> costs = row_costs(goals(0), rounded);
    double sum = 0;
    for (std::size_t i = 0; i < costs.size(); ++i) {
      const double mean = centered_ ? moments_.product_mean[i] : 0;
      const double power = moments_.product_second[i] - mean * mean;
      if (power > 0) sum += costs[i] / power;
    }
    return sum;
  }

 private:
  PatchMoments moments_;
  bool centered_;
  std::vector<float> rows_;
  std::vector<double> offsets_;
};

}  // namespace

double choose_shrinkage(const RowGoals& goals, const PatchMoments& fitted,
                        const PatchMoments& held_back, const Scheme& scheme) {
  const SampledGoals fit(goals, fitted);
  const SampledGoals check(goals, held_back);
  std::array<double, kShrinkages.size()> costs = {};
  parallel_for(costs.size(), [&](std::size_t i) {
    costs[i] = check.cost(round_rows(fit.goals(kShrinkages[i]), scheme).values);
  });
  const auto best = std::ranges::min_element(costs) - costs.begin();
  return kShrinkages[static_cast<std::size_t>(best)];
}

}  // namespace narrow
