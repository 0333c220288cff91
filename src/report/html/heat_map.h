// A table whose cells have a colour from good (blue) over yellow to bad (red).
#pragma once

#include <string>
#include <vector>

namespace narrow {

struct HeatMapRow {
  std::string label;
  // Not shown until the reader asks for it.
  bool is_minor = false;
  std::vector<double> values;  // one a column, >= 0; infinity has the colour of the worst
  std::vector<std::string> hover;
};

// Quotients, shown in percent, coloured by their logarithm.
struct HeatMap {
  std::string row_title;
  std::vector<std::string> columns;
  std::vector<HeatMapRow> rows;
  // Values with the first and the last colour; 0 < best < worst.
  double best = 0.001;
  double worst = 1;
  std::string minor_label;  // of the switch that shows the minor rows
};

std::string heat_map_html(const HeatMap& map);

// The colour of a value, from 0 to 19: class "h0" to "h19".
int heat_level(double value, double best, double worst);

// What the colours mean.
std::string heat_scale_html(double best, double worst);

// The classes of the colours, part of every page's style.
std::string heat_map_style();

}  // namespace narrow
