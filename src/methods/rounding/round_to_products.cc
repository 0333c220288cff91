#include "methods/rounding/round_to_products.h"

#include <algorithm>
#include <limits>

#include "base/parallel.h"
#include "methods/rounding/row_metric.h"
#include "narrow/quantize_values.h"

namespace narrow {
namespace {

using Index = Eigen::Index;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

// Rows that one thread rounds together.
constexpr std::size_t kRows = 8;
constexpr int kRescalings = 3;
constexpr double kLeastPart = 0.4;
constexpr double kPartStep = 0.05;

std::vector<float> floats_of(const Vector& values) {
  std::vector<float> floats(static_cast<std::size_t>(values.size()));
  std::ranges::transform(values, floats.begin(), [](double v) { return static_cast<float>(v); });
  return floats;
}

// Ranges to try for values near this row.
std::vector<BlockParams> candidates(const Vector& target, const Scheme& scheme) {
  const std::vector<float> values = floats_of(target);
  if (scheme.range.kind != Range::Kind::kMse) return {fit(values, scheme)};
  const auto [lo, hi] = std::ranges::minmax(values);
  std::vector<BlockParams> all;
  for (double part = 1; part > kLeastPart - kPartStep / 2; part -= kPartStep) {
    all.push_back(fit_range(static_cast<float>(lo * part), static_cast<float>(hi * part), scheme));
  }
  return all;
}

// One range for a whole row.
class RowOnLevels {
 public:
  RowOnLevels(const Scheme& scheme, BlockParams params)
      : scheme_(&scheme), params_(std::move(params)), levels_(Levels::of(scheme, params_)) {}

  [[nodiscard]] const BlockParams& params() const { return params_; }
  [[nodiscard]] LevelsAt levels() const {
    return [this](Index, Index) -> const Levels& { return levels_; };
  }
  // With the range multiplied by `factor`.
  [[nodiscard]] RowOnLevels scaled(double factor) const {
    return {*scheme_, fit_range(static_cast<float>(params_.lo * factor),
                                static_cast<float>(params_.hi * factor), *scheme_)};
  }
  // The same codes on other levels.
  [[nodiscard]] Vector moved(const Vector& values, const RowOnLevels& to) const {
    if (!(levels_.step > 0)) return values;
    return ((values.array() - levels_.base) / levels_.step).round() * to.levels_.step +
           to.levels_.base;
  }

 private:
  const Scheme* scheme_;
  BlockParams params_;
  Levels levels_;
};

// Single moves and sizes of the range in turns, as long as they pay.
void refine(const RowMetric& metric, const Vector& target, RowOnLevels& row, Vector& rounded) {
  metric.improve(target, 0, row.levels(), rounded);
  double cost = metric.cost(target, rounded);
  for (int i = 0; i < kRescalings; ++i) {
    const Vector image = metric.h() * rounded;
    const double factor = image.dot(target) / image.dot(rounded);
    if (!(factor > 0.25 && factor < 4)) return;
    const RowOnLevels other = row.scaled(factor);
    Vector values = row.moved(rounded, other);
    metric.improve(target, 0, other.levels(), values);
    const double other_cost = metric.cost(target, values);
    if (!(other_cost < cost)) return;
    cost = other_cost;
    row = other;
    rounded = std::move(values);
  }
}

// Rows first, first + 1, ... with the best of their ranges.
void round_some(const RowMetric& metric, const Scheme& scheme, std::size_t first, std::size_t count,
                RoundedRows& result) {
  std::vector<RowOnLevels> tried;
  std::vector<std::size_t> owner;
  for (std::size_t row = first; row < first + count; ++row) {
    for (BlockParams& params : candidates(metric.targets().col(static_cast<Index>(row)), scheme)) {
      tried.emplace_back(scheme, std::move(params));
      owner.push_back(row);
    }
  }
  Matrix targets(metric.h().rows(), static_cast<Index>(tried.size()));
  std::vector<LevelsAt> levels;
  for (std::size_t i = 0; i < tried.size(); ++i) {
    targets.col(static_cast<Index>(i)) = metric.targets().col(static_cast<Index>(owner[i]));
    levels.push_back(tried[i].levels());
  }
  const Matrix rounded = metric.round(targets, [&](Index c, Index element) -> const Levels& {
    return levels[static_cast<std::size_t>(c)](c, element);
  });
  for (std::size_t row = first; row < first + count; ++row) {
    const Vector target = metric.targets().col(static_cast<Index>(row));
    double least = std::numeric_limits<double>::infinity();
    std::size_t best = 0;
    for (std::size_t i = 0; i < tried.size(); ++i) {
      if (owner[i] != row) continue;
      const double cost = metric.cost(target, rounded.col(static_cast<Index>(i)));
      if (cost < least || least == std::numeric_limits<double>::infinity()) {
        least = cost;
        best = i;
      }
    }
    RowOnLevels chosen = tried[best];
    Vector values = rounded.col(static_cast<Index>(best));
    refine(metric, target, chosen, values);
    const std::vector<float> floats = floats_of(values);
    std::ranges::copy(floats,
                      result.values.begin() + static_cast<std::ptrdiff_t>(row * floats.size()));
    result.params[row] = chosen.params();
  }
}

}  // namespace

RoundedRows round_rows(const RowGoals& goals, const Scheme& scheme) {
  const RowMetric metric(goals);
  const std::size_t outputs = goals.moments->outputs;
  RoundedRows result;
  result.params.resize(outputs);
  result.values.resize(goals.rows.size());
  parallel_for((outputs + kRows - 1) / kRows, [&](std::size_t part) {
    const std::size_t first = part * kRows;
    round_some(metric, scheme, first, std::min(kRows, outputs - first), result);
  });
  return result;
}

std::vector<float> round_in_blocks(const RowGoals& goals, const Scheme& scheme,
                                   std::span<const BlockParams> params,
                                   std::span<const std::size_t> blocks) {
  const RowMetric metric(goals);
  std::vector<Levels> levels;
  for (const BlockParams& block : params) levels.push_back(Levels::of(scheme, block));
  const std::size_t size = goals.moments->size;
  const std::size_t outputs = goals.moments->outputs;
  std::vector<float> result(goals.rows.size());
  parallel_for((outputs + kRows - 1) / kRows, [&](std::size_t part) {
    const std::size_t first = part * kRows;
    const LevelsAt at = [&](Index column, Index element) -> const Levels& {
      return levels[blocks[(first + static_cast<std::size_t>(column)) * size +
                           static_cast<std::size_t>(element)]];
    };
    const auto count = static_cast<Index>(std::min(kRows, outputs - first));
    const Matrix targets = metric.targets().middleCols(static_cast<Index>(first), count);
    Matrix rounded = metric.round(targets, at);
    for (Index c = 0; c < count; ++c) {
      metric.improve(targets.col(c), c, at, rounded.col(c));
      const std::vector<float> floats = floats_of(rounded.col(c));
      std::ranges::copy(floats, result.begin() + static_cast<std::ptrdiff_t>(
                                                     (first + static_cast<std::size_t>(c)) * size));
    }
  });
  return result;
}

std::vector<double> row_costs(const RowGoals& goals, std::span<const float> rows) {
  const PatchMoments& m = *goals.moments;
  std::vector<double> costs(m.outputs, 0);
  parallel_for(m.outputs, [&](std::size_t c) {
    const float* const q = rows.data() + c * m.size;
    double made = 0;     // E[q x]
    double squares = 0;  // E[(q x)^2]
    double both = 0;     // E[t q x]
    for (std::size_t i = 0; i < m.size; ++i) {
      double image = 0;
      for (std::size_t k = 0; k < m.size; ++k) image += m.second[i * m.size + k] * q[k];
      squares += q[i] * image;
      made += q[i] * m.mean[i];
      both += q[i] * m.cross[c * m.size + i];
    }
    const double b = goals.centered ? m.product_mean[c] - made : goals.offsets[c];
    costs[c] = std::max(0.0, m.product_second[c] - 2 * (both + b * m.product_mean[c]) + squares +
                                 2 * b * made + b * b);
  });
  return costs;
}

}  // namespace narrow
