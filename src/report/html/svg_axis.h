// Axes of plots: from numbers to places, and where the ticks are.
#pragma once

#include <string>
#include <vector>

namespace narrow {

enum class TickFormat { kNumber, kPercent };  // kPercent: of a quotient

struct PlotAxis {
  std::string title;
  bool is_log = false;
  bool whole_numbers = false;  // no ticks between them
  TickFormat format = TickFormat::kNumber;
};

struct PlotTick {
  double value = 0;
  std::string label;
};

// An axis from `from` to `to` (pixels) that shows all of [low, high].
class PlotScale {
 public:
  // Logarithmic axes need 0 < low; an empty range is widened.
  PlotScale(const PlotAxis& axis, double low, double high, double from, double to);

  [[nodiscard]] double operator()(double value) const;
  // Whether the value has a place: finite, and positive on a logarithmic axis.
  [[nodiscard]] bool shows(double value) const;
  [[nodiscard]] const std::vector<PlotTick>& ticks() const { return ticks_; }

 private:
  void choose_log_ticks(TickFormat format);
  void choose_linear_ticks(const PlotAxis& axis);

  bool is_log_;
  double low_;
  double high_;
  double from_;
  double to_;
  std::vector<PlotTick> ticks_;
};

}  // namespace narrow
