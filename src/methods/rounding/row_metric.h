// The metric in which rows are rounded, and one rounding of some rows. Internal to this folder.
#pragma once

#include <Eigen/Dense>
#include <functional>
#include <span>
#include <vector>

#include "methods/rounding/round_to_products.h"
#include "narrow/error.h"

namespace narrow {

// Of the mean of a diagonal, added to all of it before a matrix is factored.
inline constexpr double kDamping = 0.01;

// Error(kNumeric): second moments that are infinite or have no factor.
Error moments_not_finite();

// Values that are equally far apart: base + step * code, code 0 .. top.
struct Levels {
  double base = 0;
  double step = 0;
  double top = 0;

  // Of the scheme; throws Error(kUsage) for a codebook.
  static Levels of(const Scheme& scheme, const BlockParams& params);
  [[nodiscard]] double nearest(double value) const;
};

// By column of a matrix of targets and element of it.
using LevelsAt = std::function<const Levels&(Eigen::Index column, Eigen::Index element)>;

class RowMetric {
 public:
  // Throws as round_rows does.
  explicit RowMetric(const RowGoals& goals);

  // w*, a column for each output.
  [[nodiscard]] const Eigen::MatrixXd& targets() const { return targets_; }
  // H w*.
  [[nodiscard]] const Eigen::MatrixXd& images() const { return images_; }
  // H (q - w*), a column for each of the outputs first + columns[i].
  [[nodiscard]] Eigen::MatrixXd gradients(const Eigen::MatrixXd& rounded, Eigen::Index first,
                                          std::span<const Eigen::Index> columns) const;

  struct Rounded {
    Eigen::MatrixXd values;
    Eigen::VectorXd costs;  // (q - w*)^T H (q - w*) of each column
  };
  // Columns of targets on their levels, one weight after the other.
  [[nodiscard]] Rounded round(const Eigen::MatrixXd& targets, const LevelsAt& levels) const;
  // Moves single elements of column `column` to better levels, while there are any, and keeps
  // their gradient.
  void improve(Eigen::Index column, const LevelsAt& levels, Eigen::Ref<Eigen::VectorXd> rounded,
               Eigen::Ref<Eigen::VectorXd> gradient) const;

 private:
  void factorize();

  Eigen::MatrixXd h_;
  std::vector<Eigen::Index> order_;  // of rounding, reversed
  Eigen::MatrixXd factor_;           // L of the reordered H
  Eigen::MatrixXd targets_;
  Eigen::MatrixXd images_;
};

}  // namespace narrow
