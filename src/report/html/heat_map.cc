#include "report/html/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "report/html/html_text.h"

namespace narrow {
namespace {

constexpr int kLevels = 20;

struct Color {
  double red;
  double green;
  double blue;
};

// Corners of the scale; between them colours are mixed.
constexpr std::array<Color, 5> kCorners = {
    {{36, 88, 160}, {138, 193, 222}, {255, 245, 190}, {244, 150, 84}, {170, 22, 40}}};

Color color_of(int level) {
  const double place = level * static_cast<double>(kCorners.size() - 1) / (kLevels - 1);
  const auto corner = std::min(static_cast<std::size_t>(place), kCorners.size() - 2);
  const double part = place - static_cast<double>(corner);
  const Color& a = kCorners.at(corner);
  const Color& b = kCorners.at(corner + 1);
  const auto mix = [part](double from, double to) { return from + part * (to - from); };
  return {mix(a.red, b.red), mix(a.green, b.green), mix(a.blue, b.blue)};
}

// Rec. 709 weights, without the gamma curve: good enough to choose black or white.
bool is_dark(const Color& color) {
  return 0.2126 * color.red + 0.7152 * color.green + 0.0722 * color.blue < 120;
}

int level_of(const HeatMap& map, double value) {
  if (!(value > map.best)) return 0;
  if (value >= map.worst) return kLevels - 1;
  const double place = std::log(value / map.best) / std::log(map.worst / map.best);
  return std::clamp(static_cast<int>(place * kLevels), 0, kLevels - 1);
}

// Percent in few characters: "263", "49", "4.2", "0.42".
std::string percent_text(double value) {
  if (!std::isfinite(value)) return "\xE2\x88\x9E";
  const double percent = 100 * value;
  return percent >= 99.5 ? fmt::format("{:.0f}", percent) : fmt::format("{:.2g}", percent);
}

std::string row_html(const HeatMap& map, const HeatMapRow& row) {
  std::string html =
      fmt::format("<tr{}><th title=\"{}\">{}</th>", row.is_minor ? " class=\"minor\"" : "",
                  html_escape(row.label), html_escape(row.label));
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    html += fmt::format("<td class=\"h{}\"", level_of(map, row.values[i]));
    if (i < row.hover.size()) html += fmt::format(" title=\"{}\"", html_escape(row.hover[i]));
    html += fmt::format(">{}</td>", percent_text(row.values[i]));
  }
  return html + "</tr>\n";
}

}  // namespace

std::string heat_map_style() {
  std::string style;
  for (int level = 0; level < kLevels; ++level) {
    const Color color = color_of(level);
    style += fmt::format(".h{}{{background:rgb({:.0f},{:.0f},{:.0f});color:{}}}\n", level,
                         color.red, color.green, color.blue, is_dark(color) ? "#fff" : "#111");
  }
  return style;
}

std::string heat_map_html(const HeatMap& map) {
  std::string html = "<div>\n";
  const bool has_minor =
      std::ranges::any_of(map.rows, [](const HeatMapRow& row) { return row.is_minor; });
  if (has_minor) {
    html +=
        fmt::format("<input type=\"checkbox\" class=\"more\"> {}\n", html_escape(map.minor_label));
  }
  html += "<div class=\"scroll\"><table class=\"heat\">\n<thead><tr><th>" +
          html_escape(map.row_title) + "</th>";
  for (const std::string& column : map.columns) html += "<th>" + html_escape(column) + "</th>";
  html += "</tr></thead>\n<tbody>\n";
  for (const HeatMapRow& row : map.rows) html += row_html(map, row);
  html += "</tbody>\n</table></div>\n<p class=\"scale\">";
  html += fmt::format("{} % or less <span>", percent_text(map.best));
  for (int level = 0; level < kLevels; ++level) html += fmt::format("<i class=\"h{}\"></i>", level);
  return html + fmt::format("</span> {} % or more</p>\n</div>\n", percent_text(map.worst));
}

}  // namespace narrow
