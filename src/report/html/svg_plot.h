// A plot of a few curves as an inline SVG picture that follows the style of the page.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report/html/svg_axis.h"

namespace narrow {

struct PlotPoint {
  double x = 0;
  double y = 0;
  // Where y may lie: a whisker, or in a series with a band a point of its edges.
  std::optional<std::pair<double, double>> range = {};
  std::string hover = {};  // shown when the pointer rests on the point
  std::string label = {};  // printed beside it
};

struct PlotSeries {
  std::string name;
  std::vector<PlotPoint> points;  // by ascending x
  bool has_band = false;          // ranges as a coloured band
};

// A level to compare with, drawn across.
struct PlotReference {
  std::string name;
  double y = 0;
};

struct Plot {
  std::string description;  // for those who do not see it
  PlotAxis x;
  PlotAxis y;
  std::vector<PlotSeries> series;  // at most six have a colour of their own
  std::vector<PlotReference> references;
};

// Points that an axis cannot show (infinities; zero on a logarithmic axis) are left out. An empty
// plot is a sentence instead.
std::string plot_svg(const Plot& plot);

}  // namespace narrow
