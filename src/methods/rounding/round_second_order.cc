#include "methods/rounding/round_second_order.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/parallel.h"
#include "methods/rounding/row_metric.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using Matrix = Eigen::MatrixXd;
using Index = Eigen::Index;

// Rows that are rounded one by one before their errors reach all others at once.
constexpr Index kRowBlock = 96;
// Output channels that one thread takes at a time.
constexpr std::size_t kChannels = 32;

void require_finite(const InputGram& gram) {
  const auto is_finite = [](double value) { return std::isfinite(value); };
  if (!std::ranges::all_of(gram.second, is_finite)) throw moments_not_finite();
}

// Elements of a patch, the one that is rounded first last: R R^T of the order of rounding is L L^T
// of its reverse.
std::vector<Index> reversed_order(const InputGram& gram) {
  std::vector<Index> order(gram.size);
  std::iota(order.begin(), order.end(), Index{0});
  const auto power = [&](Index i) {
    return gram.second[static_cast<std::size_t>(i) * (gram.size + 1)];
  };
  std::ranges::stable_sort(order, [&](Index a, Index b) { return power(a) > power(b); });
  std::ranges::reverse(order);
  return order;
}

// L of the damped and reordered H, in the lower triangle.
Matrix factorize(const InputGram& gram, const std::vector<Index>& order) {
  const auto size = static_cast<Index>(gram.size);
  double trace = 0;
  for (std::size_t i = 0; i < gram.size; ++i) trace += gram.second[i * (gram.size + 1)];
  // Without any input every H is right: that of independent inputs.
  const double damping = trace > 0 ? kDamping * trace / static_cast<double>(gram.size) : 1;
  Matrix h(size, size);
  parallel_for(gram.size, [&](std::size_t column) {
    const auto c = static_cast<Index>(column);
    const double* const from =
        gram.second.data() + static_cast<std::size_t>(order[column]) * gram.size;
    for (Index r = c; r < size; ++r) h(r, c) = from[order[static_cast<std::size_t>(r)]];
    h(c, c) += damping;
  });
  const Eigen::LLT<Eigen::Ref<Matrix>, Eigen::Lower> factor(h);
  if (factor.info() != Eigen::Success) throw moments_not_finite();
  return h;
}

// A few output channels, rounded from the last row of L to the first.
class Columns {
 public:
  Columns(const TensorGrid& grid, std::size_t channels, std::span<const float> values,
          const std::vector<Index>& order, const Matrix& factor, std::span<std::int64_t> codes,
          std::size_t first, std::size_t count)
      : grid_(grid),
        depth_(channels),
        values_(values),
        order_(order),
        factor_(factor),
        codes_(codes),
        first_(first),
        count_(count),
        feedback_(Matrix::Zero(factor.rows(), static_cast<Index>(count))),
        errors_(Matrix::Zero(factor.rows(), static_cast<Index>(count))) {}

  void round() {
    for (Index end = factor_.rows(); end > 0;) {
      const Index begin = std::max<Index>(0, end - kRowBlock);
      for (Index row = end - 1; row >= begin; --row) {
        const Index after = end - 1 - row;
        feedback_.row(row) += factor_.col(row).segment(row + 1, after).transpose() *
                              errors_.middleRows(row + 1, after);
        round_row(row);
      }
      feedback_.topRows(begin).noalias() +=
          factor_.block(begin, 0, end - begin, begin).transpose() *
          errors_.middleRows(begin, end - begin);
      end = begin;
    }
  }

 private:
  void round_row(Index row) {
    const std::size_t element =
        static_cast<std::size_t>(order_[static_cast<std::size_t>(row)]) * depth_ + first_;
    std::vector<float> wanted(count_);
    for (std::size_t c = 0; c < count_; ++c) {
      const double feedback = feedback_(row, static_cast<Index>(c)) / factor_(row, row);
      wanted[c] = static_cast<float>(values_[element + c] + feedback);
    }
    const std::span<std::int64_t> codes = codes_.subspan(element, count_);
    grid_.encode(element, wanted, codes);
    std::vector<float> restored(count_);
    grid_.decode(element, codes, restored);
    for (std::size_t c = 0; c < count_; ++c) {
      errors_(row, static_cast<Index>(c)) = static_cast<double>(values_[element + c]) - restored[c];
    }
  }

  const TensorGrid& grid_;
  std::size_t depth_;
  std::span<const float> values_;
  const std::vector<Index>& order_;
  const Matrix& factor_;
  std::span<std::int64_t> codes_;
  std::size_t first_;
  std::size_t count_;
  Matrix feedback_;  // sums of L * (w - q) over the rows that are rounded
  Matrix errors_;    // w - q
};

}  // namespace

void round_second_order(const TensorGrid& grid, const Shape& shape, std::span<const float> values,
                        const InputGram& gram, std::span<std::int64_t> codes) {
  require_finite(gram);
  const std::vector<Index> order = reversed_order(gram);
  const Matrix factor = factorize(gram, order);
  const auto channels = static_cast<std::size_t>(shape[3]);
  parallel_for((channels + kChannels - 1) / kChannels, [&](std::size_t part) {
    const std::size_t first = part * kChannels;
    Columns(grid, channels, values, order, factor, codes, first,
            std::min(kChannels, channels - first))
        .round();
  });
}

}  // namespace narrow
