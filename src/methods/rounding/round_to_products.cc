#include "methods/rounding/round_to_products.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/parallel.h"
#include "methods/rounding/row_metric.h"
#include "methods/rounding/weighted_ranges.h"
#include "narrow/quantize_values.h"

namespace narrow {
namespace {

using Index = Eigen::Index;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

// Rows that one thread rounds together.
constexpr std::size_t kRows = 8;
constexpr int kRescalings = 3;

void put(const Vector& values, float* to) {
  std::ranges::transform(values, to, [](double v) { return static_cast<float>(v); });
}

// Ranges to try for values near this row.
std::vector<BlockParams> candidates(const Vector& target, const Scheme& scheme) {
  std::vector<float> values(static_cast<std::size_t>(target.size()));
  put(target, values.data());
  return range_candidates(values, scheme);
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

// Rows on their way, a column each: q and H (q - w*).
struct RowStates {
  Matrix values;
  Matrix gradients;

  [[nodiscard]] double cost(Index column, const Matrix& targets, Index output) const {
    return (values.col(column) - targets.col(output)).dot(gradients.col(column));
  }
};

// Single moves and sizes of the ranges in turns, as long as they pay. The rows are the outputs from
// `first` on, and go side by side for the sake of products of matrices.
void refine(const RowMetric& metric, Index first, std::vector<RowOnLevels>& rows,
            RowStates& state) {
  std::vector<Index> active;
  for (Index c = 0; c < state.values.cols(); ++c) {
    metric.improve(0, rows[static_cast<std::size_t>(c)].levels(), state.values.col(c),
                   state.gradients.col(c));
    active.push_back(c);
  }
  for (int i = 0; i < kRescalings && !active.empty(); ++i) {
    std::vector<Index> columns;
    std::vector<RowOnLevels> others;
    RowStates next;
    next.values.resize(state.values.rows(), static_cast<Index>(active.size()));
    for (const Index c : active) {
      const Vector target = metric.targets().col(first + c);
      const Vector image = state.gradients.col(c) + metric.images().col(first + c);
      const double factor = image.dot(target) / image.dot(state.values.col(c));
      if (!(factor > 0.25 && factor < 4)) continue;
      const RowOnLevels& row = rows[static_cast<std::size_t>(c)];
      others.push_back(row.scaled(factor));
      next.values.col(static_cast<Index>(columns.size())) =
          row.moved(state.values.col(c), others.back());
      columns.push_back(c);
    }
    next.values.conservativeResize(Eigen::NoChange, static_cast<Index>(columns.size()));
    next.gradients = metric.gradients(next.values, first, columns);
    active.clear();
    for (std::size_t k = 0; k < columns.size(); ++k) {
      const Index c = columns[k];
      const auto column = static_cast<Index>(k);
      metric.improve(0, others[k].levels(), next.values.col(column), next.gradients.col(column));
      if (!(next.cost(column, metric.targets(), first + c) <
            state.cost(c, metric.targets(), first + c) * (1 - 1e-3))) {
        continue;
      }
      rows[static_cast<std::size_t>(c)] = others[k];
      state.values.col(c) = next.values.col(column);
      state.gradients.col(c) = next.gradients.col(column);
      active.push_back(c);
    }
  }
}

// 0 to count - 1.
std::vector<Index> first_columns(std::size_t count) {
  std::vector<Index> columns(count);
  std::iota(columns.begin(), columns.end(), Index{0});
  return columns;
}

// Of each row the column that costs least, below its index.
Matrix best_of(const RowMetric::Rounded& rounded, const std::vector<std::size_t>& owner,
               std::size_t first, std::size_t count) {
  Matrix best(rounded.values.rows() + 1, static_cast<Index>(count));
  std::vector<double> least(count, std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < owner.size(); ++i) {
    const std::size_t row = owner[i] - first;
    const double cost = rounded.costs(static_cast<Index>(i));
    if (!(cost < least[row])) continue;
    least[row] = cost;
    best.col(static_cast<Index>(row)) << static_cast<double>(i),
        rounded.values.col(static_cast<Index>(i));
  }
  return best;
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
  Matrix targets(metric.targets().rows(), static_cast<Index>(tried.size()));
  std::vector<LevelsAt> levels;
  for (std::size_t i = 0; i < tried.size(); ++i) {
    targets.col(static_cast<Index>(i)) = metric.targets().col(static_cast<Index>(owner[i]));
    levels.push_back(tried[i].levels());
  }
  const RowMetric::Rounded rounded =
      metric.round(targets, [&](Index c, Index element) -> const Levels& {
        return levels[static_cast<std::size_t>(c)](c, element);
      });
  const Matrix best = best_of(rounded, owner, first, count);
  std::vector<RowOnLevels> chosen;
  for (Index c = 0; c < best.cols(); ++c) {
    chosen.push_back(tried[static_cast<std::size_t>(best(0, c))]);
  }
  RowStates state;
  state.values = best.bottomRows(targets.rows());
  state.gradients = metric.gradients(state.values, static_cast<Index>(first), first_columns(count));
  refine(metric, static_cast<Index>(first), chosen, state);
  for (std::size_t i = 0; i < count; ++i) {
    put(state.values.col(static_cast<Index>(i)),
        result.values.data() + (first + i) * static_cast<std::size_t>(targets.rows()));
    result.params[first + i] = chosen[i].params();
  }
}

}  // namespace

RoundedRows round_rows(const RowGoals& goals, const Scheme& scheme) {
  const RowMetric metric(goals);
  const std::size_t outputs = goals.moments.outputs;
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
  const std::size_t size = goals.moments.size;
  const std::size_t outputs = goals.moments.outputs;
  std::vector<float> result(goals.rows.size());
  parallel_for((outputs + kRows - 1) / kRows, [&](std::size_t part) {
    const std::size_t first = part * kRows;
    const LevelsAt at = [&](Index column, Index element) -> const Levels& {
      return levels[blocks[(first + static_cast<std::size_t>(column)) * size +
                           static_cast<std::size_t>(element)]];
    };
    const auto count = static_cast<Index>(std::min(kRows, outputs - first));
    const Matrix targets = metric.targets().middleCols(static_cast<Index>(first), count);
    Matrix rounded = metric.round(targets, at).values;
    Matrix gradients = metric.gradients(rounded, static_cast<Index>(first),
                                        first_columns(static_cast<std::size_t>(count)));
    for (Index c = 0; c < count; ++c) {
      metric.improve(c, at, rounded.col(c), gradients.col(c));
      put(rounded.col(c), result.data() + (first + static_cast<std::size_t>(c)) * size);
    }
  });
  return result;
}

std::vector<double> row_costs(const RowGoals& goals, std::span<const float> rows) {
  const MomentsView& m = goals.moments;
  const auto size = static_cast<Index>(m.size);
  const Eigen::Map<const Matrix> second(m.second.data(), size, size);
  const Eigen::Map<const Vector> mean(m.mean.data(), size);
  std::vector<double> costs(m.outputs, 0);
  parallel_for((m.outputs + kRows - 1) / kRows, [&](std::size_t part) {
    const std::size_t first = part * kRows;
    const auto count = static_cast<Index>(std::min(kRows, m.outputs - first));
    const Matrix q =
        Eigen::Map<const Eigen::MatrixXf>(rows.data() + first * m.size, size, count).cast<double>();
    const Matrix images = second * q;
    for (Index i = 0; i < count; ++i) {
      const std::size_t c = first + static_cast<std::size_t>(i);
      const Eigen::Map<const Vector> cross(m.cross.data() + c * m.size, size);
      const double made = q.col(i).dot(mean);              // E[q x]
      const double squares = q.col(i).dot(images.col(i));  // E[(q x)^2]
      const double both = q.col(i).dot(cross);             // E[t q x]
      const double b = goals.centered ? m.product_mean[c] - made : goals.offsets[c];
      costs[c] = std::max(0.0, m.product_second[c] - 2 * (both + b * m.product_mean[c]) + squares +
                                   2 * b * made + b * b);
    }
  });
  return costs;
}

}  // namespace narrow
