#include "methods/rounding/row_metric.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "narrow/error.h"
#include "narrow/quantize_values.h"

namespace narrow {
namespace {

using Index = Eigen::Index;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Elements that are rounded one by one before their errors reach all others at once.
constexpr Index kBlock = 64;
constexpr int kMostSweeps = 20;
// Of the trace of second moments: what the rounding of their sums takes off an eigenvalue at most.
constexpr double kSumRounding = 1e-6;

Index as_index(std::size_t n) { return static_cast<Index>(n); }

}  // namespace

Error moments_not_finite() {
  return {ErrorCategory::kNumeric,
          "the inputs of a layer have no finite second moments: the network overflows on these "
          "images; evaluate the checkpoint"};
}

Levels Levels::of(const Scheme& scheme, const BlockParams& params) {
  if (scheme.kind == SchemeKind::kCodebook) {
    throw Error(ErrorCategory::kUsage,
                "rounding gptq of a graph needs codes that are equally far apart; those of a "
                "codebook are not");
  }
  const CodeRange range = code_range(scheme, params);
  const std::array<std::int64_t, 2> ends = {range.min, range.max};
  std::array<float, 2> values = {};
  decode(ends, scheme, params, values);
  Levels levels{values[0], 0, static_cast<double>(range.max - range.min)};
  if (levels.top > 0) levels.step = (static_cast<double>(values[1]) - values[0]) / levels.top;
  return levels;
}

double Levels::nearest(double value) const {
  if (!(step > 0)) return base;
  return base + step * std::clamp(std::nearbyint((value - base) / step), 0.0, top);
}

RowMetric::RowMetric(const RowGoals& goals) {
  const MomentsView& m = goals.moments;
  const Index size = as_index(m.size);
  const Index outputs = as_index(m.outputs);
  h_ = Eigen::Map<const Matrix>(m.second.data(), size, size);
  const double raw_trace = h_.trace();
  const Eigen::Map<const Vector> mean(m.mean.data(), size);
  Matrix cross = Eigen::Map<const RowMajor>(m.cross.data(), outputs, size).transpose();
  for (Index c = 0; c < outputs; ++c) {
    const double taken = goals.centered ? m.product_mean[static_cast<std::size_t>(c)]
                                        : goals.offsets[static_cast<std::size_t>(c)];
    cross.col(c) -= taken * mean;
  }
  if (goals.centered) h_ -= mean * mean.transpose();
  if (!h_.allFinite() || !cross.allFinite()) throw moments_not_finite();
  // What is left of moments about the mean may be less than the rounding of their sums.
  const double power =
      kDamping * std::max(h_.trace(), 0.0) / static_cast<double>(m.size) + kSumRounding * raw_trace;
  // Without any input every H is right: that of independent inputs.
  const double damping = power > 0 ? power : 1;
  const Vector pull = (goals.shrinkage * h_.diagonal()).array().max(0.0) + damping;
  h_.diagonal() += pull;
  factorize();
  for (Index c = 0; c < outputs; ++c) {
    for (Index i = 0; i < size; ++i) {
      cross(i, c) += pull(i) * goals.rows[static_cast<std::size_t>(c * size + i)];
    }
  }
  images_ = cross;
  Matrix ordered(size, outputs);
  for (Index i = 0; i < size; ++i) ordered.row(i) = cross.row(order_[static_cast<std::size_t>(i)]);
  factor_.triangularView<Eigen::Lower>().solveInPlace(ordered);
  factor_.triangularView<Eigen::Lower>().adjoint().solveInPlace(ordered);
  targets_.resize(size, outputs);
  for (Index i = 0; i < size; ++i)
    targets_.row(order_[static_cast<std::size_t>(i)]) = ordered.row(i);
}

void RowMetric::factorize() {
  const Index size = h_.rows();
  order_.resize(static_cast<std::size_t>(size));
  std::iota(order_.begin(), order_.end(), Index{0});
  std::ranges::stable_sort(order_, [&](Index a, Index b) { return h_(a, a) > h_(b, b); });
  std::ranges::reverse(order_);
  factor_.resize(size, size);
  for (Index column = 0; column < size; ++column) {
    const Index from = order_[static_cast<std::size_t>(column)];
    for (Index row = column; row < size; ++row) {
      factor_(row, column) = h_(order_[static_cast<std::size_t>(row)], from);
    }
  }
  const Eigen::LLT<Eigen::Ref<Matrix>, Eigen::Lower> factor(factor_);
  if (factor.info() != Eigen::Success) throw moments_not_finite();
}

Matrix RowMetric::gradients(const Matrix& rounded, Index first,
                            std::span<const Index> columns) const {
  Matrix result = h_ * rounded;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    result.col(static_cast<Index>(i)) -= images_.col(first + columns[i]);
  }
  return result;
}

RowMetric::Rounded RowMetric::round(const Matrix& targets, const LevelsAt& levels) const {
  Matrix feedback = Matrix::Zero(targets.rows(), targets.cols());
  Matrix errors = feedback;
  Rounded result{Matrix(targets.rows(), targets.cols()), Vector::Zero(targets.cols())};
  for (Index end = targets.rows(); end > 0;) {
    const Index begin = std::max<Index>(0, end - kBlock);
    for (Index row = end - 1; row >= begin; --row) {
      const Index after = end - 1 - row;
      feedback.row(row).noalias() +=
          factor_.col(row).segment(row + 1, after).transpose() * errors.middleRows(row + 1, after);
      const Index element = order_[static_cast<std::size_t>(row)];
      for (Index c = 0; c < targets.cols(); ++c) {
        const double wanted = targets(element, c) + feedback(row, c) / factor_(row, row);
        const double value = levels(c, element).nearest(wanted);
        result.values(element, c) = value;
        errors(row, c) = targets(element, c) - value;
        // H = L L^T, so the costs of elements add up.
        const double miss = (wanted - value) * factor_(row, row);
        result.costs(c) += miss * miss;
      }
    }
    feedback.topRows(begin).noalias() += factor_.block(begin, 0, end - begin, begin).transpose() *
                                         errors.middleRows(begin, end - begin);
    end = begin;
  }
  return result;
}

void RowMetric::improve(Index column, const LevelsAt& levels, Eigen::Ref<Vector> rounded,
                        Eigen::Ref<Vector> gradient) const {
  bool moved = true;
  for (int sweep = 0; moved && sweep < kMostSweeps; ++sweep) {
    moved = false;
    for (Index i = 0; i < rounded.size(); ++i) {
      const double best = levels(column, i).nearest(rounded(i) - gradient(i) / h_(i, i));
      const double change = best - rounded(i);
      // Half a step away rounding noise of the sums must not make it go to and fro.
      if (change * (change * h_(i, i) + 2 * gradient(i)) >= -1e-9 * change * change * h_(i, i)) {
        continue;
      }
      rounded(i) = best;
      gradient += change * h_.col(i);
      moved = true;
    }
  }
}

}  // namespace narrow
