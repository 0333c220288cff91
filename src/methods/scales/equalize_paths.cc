#include "methods/scales/equalize_paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>

#include "methods/scales/fold_norms.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr double kMostColumnScale = 8;
constexpr double kMostRowScale = 1024;
constexpr double kClipMargin = 1.1;
constexpr int kMostTurns = 30;
constexpr double kSettled = 1e-3;

// The largest weight of each row.
std::vector<double> largest_of_rows(const LinearLayer& layer, std::span<const float> kernel) {
  std::vector<double> largest(layer.out_channels, 0);
  for (std::size_t c = 0; c < layer.out_channels; ++c) {
    for (std::size_t i = 0; i < layer.columns; ++i) {
      largest[c] = std::max(largest[c], std::fabs(static_cast<double>(kernel[layer.index(c, i)])));
    }
  }
  return largest;
}

// Calls take(input channel, row, flat index) for every weight.
template <typename Take>
void for_each_weight(const LinearLayer& layer, const Take& take) {
  const std::size_t outputs = layer.out_channels / layer.groups;
  const std::size_t taps = layer.taps();
  for (std::size_t c = 0; c < layer.out_channels; ++c) {
    const std::size_t first = c / outputs * (layer.columns / taps);
    for (std::size_t i = 0; i < layer.columns; ++i) take(first + i / taps, c, layer.index(c, i));
  }
}

// A path, what its factors are so far, and what they may become.
class PathScales {
 public:
  PathScales(const LinearPath& path, const RangesByLayer& ranges, const ChannelMaxima& maxima,
             Weights& weights)
      : before_(*path.before),
        after_(*path.after),
        weights_(weights),
        factors_(path.before->out_channels, 1),
        least_(factors_.size(), 0),
        most_(factors_.size(), std::numeric_limits<double>::infinity()) {
    const auto first = ranges.find(before_.name);
    moves_rows_ = !before_.norm || (first != ranges.end() && first->second.is_folded);
    levels_rows_ = moves_rows_ && first != ranges.end() && !first->second.are_rows_alone;
    const auto second = ranges.find(after_.name);
    if (second != ranges.end()) {
      are_rows_alone_ = second->second.are_rows_alone;
      is_after_folded_ = second->second.is_folded;
      levels_columns_ = !are_rows_alone_ || after_.columns > after_.taps();
    }
    const double largest = levels_rows_ ? kMostRowScale : kMostColumnScale;
    for (std::size_t c = 0; c < factors_.size(); ++c) {
      least_[c] = 1 / largest;
      most_[c] = largest;
    }
    if (path.clipped != kNoValue) keep_below(path, maxima);
  }

  // Takes a step; whether it changed anything.
  bool level() {
    if (!levels_rows_ && !levels_columns_) return false;
    const std::vector<double> wanted = wanted_steps();
    std::vector<double> steps(wanted.size());
    bool changed = false;
    for (std::size_t c = 0; c < steps.size(); ++c) {
      const double factor = std::clamp(factors_[c] * wanted[c], least_[c], most_[c]);
      steps[c] = factor / factors_[c];
      factors_[c] = factor;
      changed = changed || std::fabs(steps[c] - 1) > kSettled;
    }
    apply(steps);
    return changed;
  }

  void add_to(ChannelScales& scales) const {
    const auto put = [&](std::vector<double>& to, bool is_divisor) {
      to.resize(factors_.size(), 1);
      for (std::size_t c = 0; c < factors_.size(); ++c) {
        to[c] *= is_divisor ? 1 / factors_[c] : factors_[c];
      }
    };
    put(scales[after_.name].input, false);
    if (moves_rows_) put(scales[before_.name].output, true);
  }

 private:
  void keep_below(const LinearPath& path, const ChannelMaxima& maxima) {
    const auto found = maxima.find(path.clipped);
    for (std::size_t c = 0; c < factors_.size(); ++c) {
      const double part = found == maxima.end() ? std::numeric_limits<double>::infinity()
                                                : kClipMargin * found->second[c] / path.limit;
      if (part <= 1) {
        least_[c] = std::max(least_[c], part);
      } else {
        least_[c] = most_[c] = 1;
      }
    }
  }

  [[nodiscard]] std::vector<double> row_ranges() const {
    std::vector<double> ranges = largest_of_rows(before_, weights_.values(before_.weights));
    if (before_.norm) weigh_by_slope(before_, ranges);
    return ranges;
  }

  [[nodiscard]] std::vector<double> column_ranges() const {
    const std::span<const float> kernel = std::as_const(weights_).values(after_.weights);
    std::vector<double> unit(after_.out_channels, 1);
    if (are_rows_alone_) {
      unit = largest_of_rows(after_, kernel);
      for (double& value : unit) value = value > 0 ? 1 / value : 0;
    } else if (is_after_folded_ && after_.norm) {
      weigh_by_slope(after_, unit);
    }
    std::vector<double> ranges(after_.in_channels(), 0);
    for_each_weight(after_, [&](std::size_t channel, std::size_t row, std::size_t at) {
      ranges[channel] =
          std::max(ranges[channel], std::fabs(static_cast<double>(kernel[at])) * unit[row]);
    });
    return ranges;
  }

  void weigh_by_slope(const LinearLayer& layer, std::span<double> rows) const {
    const Weights& weights = weights_;
    const std::span<const float> variance = weights.values(layer.norm->moving_variance);
    for (std::size_t c = 0; c < rows.size(); ++c) {
      rows[c] /= std::sqrt(static_cast<double>(variance[c]) + layer.norm->epsilon);
    }
    if (!layer.norm->gamma) return;
    const std::span<const float> gamma = weights.values(*layer.norm->gamma);
    for (std::size_t c = 0; c < rows.size(); ++c) {
      rows[c] *= std::fabs(static_cast<double>(gamma[c]));
    }
  }

  // Over their mean.
  [[nodiscard]] std::vector<double> wanted_steps() const {
    const std::size_t channels = factors_.size();
    std::vector<double> steps(channels, 1);
    const std::vector<double> rows = levels_rows_ ? row_ranges() : steps;
    const std::vector<double> columns = levels_columns_ ? column_ranges() : steps;
    double sum = 0;
    std::size_t known = 0;
    for (std::size_t c = 0; c < channels; ++c) {
      if (!(rows[c] > 0) || !(columns[c] > 0)) continue;
      const double quotient = rows[c] / columns[c];
      steps[c] = levels_rows_ && levels_columns_ ? std::sqrt(quotient) : quotient;
      // The mean of what is levelled: of the columns alone their harmonic one is that of 1 / step.
      sum += levels_rows_ ? steps[c] : columns[c];
      ++known;
    }
    if (known == 0) return steps;
    const double mean = sum / static_cast<double>(known);
    for (std::size_t c = 0; c < channels; ++c) {
      if (!(rows[c] > 0) || !(columns[c] > 0)) continue;
      steps[c] = levels_rows_ ? steps[c] / mean : steps[c] * mean;
    }
    return steps;
  }

  void apply(std::span<const double> steps) {
    const std::span<float> kernel = weights_.values(after_.weights);
    for_each_weight(after_, [&](std::size_t channel, std::size_t /*row*/, std::size_t at) {
      kernel[at] = static_cast<float>(kernel[at] * steps[channel]);
    });
    const std::vector<double> inverse = inverse_of(steps);
    if (!before_.norm) return multiply_rows(before_, inverse, weights_);
    multiply_each(weights_.values(*before_.norm->gamma), inverse);
    multiply_each(weights_.values(before_.norm->beta), inverse);
  }

  const LinearLayer& before_;
  const LinearLayer& after_;
  Weights& weights_;
  bool moves_rows_ = false;
  bool levels_rows_ = false;
  bool levels_columns_ = false;
  bool are_rows_alone_ = false;
  bool is_after_folded_ = false;
  std::vector<double> factors_;
  std::vector<double> least_;
  std::vector<double> most_;
};

}  // namespace

void require_paths(const std::vector<LinearPath>& paths, const Graph& graph) {
  if (!paths.empty()) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} cannot be equalized: no layer alone feeds another one, through "
                          "nothing but ReLU, ReLU6 and pools",
                          graph.name));
}

ChannelScales equalize_paths(const std::vector<LinearPath>& paths, const RangesByLayer& ranges,
                             const ChannelMaxima& maxima, Weights& weights) {
  std::vector<PathScales> all;
  all.reserve(paths.size());
  for (const LinearPath& path : paths) all.emplace_back(path, ranges, maxima, weights);
  for (int turn = 0; turn < kMostTurns; ++turn) {
    bool changed = false;
    for (PathScales& path : all) changed = path.level() || changed;
    if (!changed) break;
  }
  ChannelScales scales;
  for (const PathScales& path : all) path.add_to(scales);
  return scales;
}

}  // namespace narrow
