#include "methods/rounding/choose_shrinkage.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "base/parallel.h"

namespace narrow {
namespace {

constexpr std::size_t kMostSampled = 24;
// Of more columns one metric at a time is in memory.
constexpr std::size_t kMostColumnsAtOnce = 2048;
// Two neighbours, and what lies behind each of them.
constexpr std::array<double, 2> kMiddle = {0.1, 0.3};
constexpr std::array<std::array<double, 2>, 2> kBehind = {{{0.03, 0}, {1, 3}}};

// What some of the rows of a layer are rounded for.
class SampledGoals {
 public:
  SampledGoals(const RowGoals& goals, const PatchMoments& moments)
      : moments_(moments), centered_(goals.centered) {
    const std::size_t count = std::min(kMostSampled, moments.outputs);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = i * moments.outputs / count;
      product_mean_.push_back(moments.product_mean[row]);
      product_second_.push_back(moments.product_second[row]);
      const std::size_t first = row * moments.size;
      const auto cross = moments_.cross.subspan(first, moments.size);
      cross_.insert(cross_.end(), cross.begin(), cross.end());
      const std::span<const float> values = goals.rows.subspan(first, moments.size);
      rows_.insert(rows_.end(), values.begin(), values.end());
      offsets_.push_back(goals.offsets[row]);
    }
    moments_.outputs = count;
    moments_.product_mean = product_mean_;
    moments_.product_second = product_second_;
    moments_.cross = cross_;
  }
  SampledGoals(const SampledGoals&) = delete;
  SampledGoals& operator=(const SampledGoals&) = delete;

  [[nodiscard]] RowGoals goals(double shrinkage) const {
    return {moments_, rows_, offsets_, centered_, shrinkage};
  }
  // Of each row as a part of the power of its wanted products.
  [[nodiscard]] double cost(std::span<const float> rounded) const {
    const std::vector<double> costs = row_costs(goals(0), rounded);
    double sum = 0;
    for (std::size_t i = 0; i < costs.size(); ++i) {
      const double mean = centered_ ? product_mean_[i] : 0;
      const double power = product_second_[i] - mean * mean;
      if (power > 0) sum += costs[i] / power;
    }
    return sum;
  }

 private:
  MomentsView moments_;
  bool centered_;
  std::vector<double> product_mean_;
  std::vector<double> product_second_;
  std::vector<double> cross_;
  std::vector<float> rows_;
  std::vector<double> offsets_;
};

}  // namespace

double choose_shrinkage(const RowGoals& goals, const PatchMoments& fitted,
                        const PatchMoments& held_back, const Scheme& scheme) {
  const SampledGoals fit(goals, fitted);
  const SampledGoals check(goals, held_back);
  const auto costs = [&](const std::array<double, 2>& shrinkages) {
    std::array<double, 2> found = {};
    const auto judge = [&](std::size_t i) {
      found[i] = check.cost(round_rows(fit.goals(shrinkages[i]), scheme).values);
    };
    if (fitted.size <= kMostColumnsAtOnce) {
      parallel_for(found.size(), judge);
    } else {
      for (std::size_t i = 0; i < found.size(); ++i) judge(i);
    }
    return found;
  };
  const std::array<double, 2> middle = costs(kMiddle);
  const std::size_t side = middle[1] < middle[0] ? 1 : 0;
  const std::array<double, 2> behind = costs(kBehind[side]);
  double best = kMiddle[side];
  double least = middle[side];
  for (std::size_t i = 0; i < behind.size(); ++i) {
    if (!(behind[i] < least)) continue;
    least = behind[i];
    best = kBehind[side][i];
  }
  return best;
}

}  // namespace narrow
