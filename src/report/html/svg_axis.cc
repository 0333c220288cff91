#include "report/html/svg_axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace narrow {
namespace {

constexpr double kWantedTicks = 7;
constexpr double kMostWholeTicks = 20;
constexpr std::array<double, 3> kLogSteps = {1, 2, 5};

std::string tick_label(double value, TickFormat format) {
  const double shown = format == TickFormat::kPercent ? 100 * value : value;
  // Steps like 0.1 leave 0.30000000000000004.
  return fmt::format("{:.6g}{}", shown == 0 ? 0 : shown,
                     format == TickFormat::kPercent ? " %" : "");
}

// 1, 2 or 5 times a power of ten, about a kWantedTicks-th of the span.
double nice_step(double span) {
  const double rough = span / kWantedTicks;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double step : {1.0, 2.0, 5.0}) {
    if (rough <= step * power) return step * power;
  }
  return 10 * power;
}

}  // namespace

PlotScale::PlotScale(const PlotAxis& axis, double low, double high, double from, double to)
    : is_log_(axis.is_log), low_(low), high_(high), from_(from), to_(to) {
  if (is_log_) {
    choose_log_ticks(axis.format);
  } else {
    choose_linear_ticks(axis);
  }
}

void PlotScale::choose_log_ticks(TickFormat format) {
  const double decades = std::log10(high_ / low_);
  const bool is_short = decades < 3;
  // Out to the next tick at both ends.
  std::vector<double> values;
  for (int power = static_cast<int>(std::floor(std::log10(low_))) - 1;
       power <= static_cast<int>(std::ceil(std::log10(high_))) + 1; ++power) {
    for (const double step : kLogSteps) {
      if (is_short || step == 1) values.push_back(step * std::pow(10, power));
    }
  }
  // Powers computed in floating point may miss the number they stand for.
  const double slack = 1 + 1e-9;
  const auto begin = std::ranges::upper_bound(values, low_ * slack) - 1;
  auto end = std::ranges::lower_bound(values, high_ / slack);
  if (end == begin) ++end;
  low_ = *begin;
  high_ = *end;
  for (auto value = begin; value <= end; ++value) {
    ticks_.push_back({*value, tick_label(*value, format)});
  }
}

void PlotScale::choose_linear_ticks(const PlotAxis& axis) {
  if (!(high_ > low_)) {
    const double half = low_ == 0 ? 1 : std::abs(low_) * 0.1;
    low_ -= half;
    high_ += half;
  }
  double step = nice_step(high_ - low_);
  if (axis.whole_numbers) step = high_ - low_ <= kMostWholeTicks ? 1 : std::max(1.0, step);
  const double first = std::floor(low_ / step + 1e-9);
  const double last = std::ceil(high_ / step - 1e-9);
  low_ = first * step;
  high_ = last * step;
  for (double i = first; i <= last; ++i) {
    ticks_.push_back({i * step, tick_label(i * step, axis.format)});
  }
}

bool PlotScale::shows(double value) const {
  return std::isfinite(value) && (!is_log_ || value > 0);
}

double PlotScale::operator()(double value) const {
  const double part =
      is_log_ ? std::log(value / low_) / std::log(high_ / low_) : (value - low_) / (high_ - low_);
  return from_ + part * (to_ - from_);
}

}  // namespace narrow
