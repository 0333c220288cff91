#include "methods/rounding/round_to_products.h"

#include <algorithm>
#include <limits>

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

// One row on its way: q and H (q - w*).
struct RowState {
  Vector values;
  Vector gradient;

  [[nodiscard]] double cost(const Vector& target) const { return (values - target).dot(gradient); }
};

// Single moves and sizes of the range in turns, as long as they pay. `output` is the row's.
void refine(const RowMetric& metric, Index output, RowOnLevels& row, RowState& state) {
  const Vector target = metric.targets().col(output);
  const Vector wanted = metric.images().col(output);
  metric.improve(0, row.levels(), state.values, state.gradient);
  for (int i = 0; i < kRescalings; ++i) {
    const Vector image = state.gradient + wanted;
    const double factor = image.dot(target) / image.dot(state.values);
    if (!(factor > 0.25 && factor < 4)) return;
    const RowOnLevels other = row.scaled(factor);
    RowState next;
    next.values = row.moved(state.values, other);
    next.gradient = metric.gradients(next.values, output);
    metric.improve(0, other.levels(), next.values, next.gradient);
    if (!(next.cost(target) < state.cost(target) * (1 - 1e-3))) return;
    row = other;
    state = std::move(next);
  }
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
  const Matrix gradients =
      metric.gradients(best.bottomRows(targets.rows()), static_cast<Index>(first));
  for (std::size_t row = first; row < first + count; ++row) {
    const auto column = static_cast<Index>(row - first);
    RowOnLevels chosen = tried[static_cast<std::size_t>(best(0, column))];
    RowState state{best.col(column).tail(targets.rows()), gradients.col(column)};
    refine(metric, static_cast<Index>(row), chosen, state);
    put(state.values, result.values.data() + row * static_cast<std::size_t>(targets.rows()));
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
    Matrix rounded = metric.round(targets, at).values;
    Matrix gradients = metric.gradients(rounded, static_cast<Index>(first));
    for (Index c = 0; c < count; ++c) {
      metric.improve(c, at, rounded.col(c), gradients.col(c));
      put(rounded.col(c), result.data() + (first + static_cast<std::size_t>(c)) * size);
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
