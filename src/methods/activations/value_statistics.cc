#include "methods/activations/value_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "narrow/error.h"

namespace narrow {
namespace {

// The least width 2^e of bins that hold this magnitude on either side of 0: the last bin of the
// positive side does not hold its end.
int exponent_for(double magnitude) {
  int exponent = 0;
  std::frexp(magnitude, &exponent);  // magnitude < 2^exponent
  constexpr int kLogBins = 12;
  static_assert(ValueStatistics::kBins == std::int64_t{1} << kLogBins);
  return exponent - kLogBins;
}

}  // namespace

void ValueStatistics::take_extremes(double least, double greatest) {
  least_ = count_ == 0 ? least : std::min(least_, least);
  greatest_ = count_ == 0 ? greatest : std::max(greatest_, greatest);
}

void ValueStatistics::widen(int exponent) {
  if (counts_.empty()) {
    counts_.assign(2 * kBins, 0);
    exponent_ = exponent;
    counts_[kBins] = zeros_;
    zeros_ = 0;
  }
  for (; exponent_ < exponent; ++exponent_) {
    std::vector<std::uint64_t> joined(2 * kBins, 0);
    for (std::int64_t i = -kBins; i < kBins; ++i) {
      joined[static_cast<std::size_t>((i >> 1) + kBins)] +=
          counts_[static_cast<std::size_t>(i + kBins)];
    }
    counts_ = std::move(joined);
  }
}

void ValueStatistics::add(std::span<const float> values) {
  if (values.empty()) return;
  float least = values[0];
  float greatest = values[0];
  bool is_finite = true;
  for (const float value : values) {
    least = std::min(least, value);
    greatest = std::max(greatest, value);
    is_finite = is_finite && std::isfinite(value);
  }
  if (!is_finite) throw Error(ErrorCategory::kNumeric, "there are NaN or infinite values");
  take_extremes(least, greatest);
  count_ += values.size();
  const double magnitude =
      std::max(std::abs(static_cast<double>(least)), std::abs(static_cast<double>(greatest)));
  if (magnitude > 0) {
    const int exponent = exponent_for(magnitude);
    widen(counts_.empty() ? exponent : std::max(exponent, exponent_));
  }
  if (counts_.empty()) {
    zeros_ += values.size();
    return;
  }
  const double factor = std::ldexp(1.0, -exponent_);
  for (const float value : values) {
    const auto bin = static_cast<std::int64_t>(std::floor(value * factor));
    ++counts_[static_cast<std::size_t>(bin + kBins)];
  }
}

void ValueStatistics::add(const ValueStatistics& other) {
  if (other.count_ == 0) return;
  take_extremes(other.least_, other.greatest_);
  count_ += other.count_;
  if (other.counts_.empty()) {
    (counts_.empty() ? zeros_ : counts_[kBins]) += other.zeros_;
    return;
  }
  ValueStatistics same = other;
  widen(counts_.empty() ? other.exponent_ : std::max(exponent_, other.exponent_));
  same.widen(exponent_);
  std::ranges::transform(counts_, same.counts_, counts_.begin(), std::plus<>());
}

std::vector<ValueStatistics::Bin> ValueStatistics::bins() const {
  if (counts_.empty()) {
    return zeros_ == 0 ? std::vector<Bin>() : std::vector<Bin>{{0, 0, zeros_}};
  }
  std::vector<Bin> found;
  for (std::int64_t i = -kBins; i < kBins; ++i) {
    const std::uint64_t count = counts_[static_cast<std::size_t>(i + kBins)];
    if (count == 0) continue;
    found.push_back({std::ldexp(static_cast<double>(i), exponent_),
                     std::ldexp(static_cast<double>(i + 1), exponent_), count});
  }
  return found;
}

}  // namespace narrow
