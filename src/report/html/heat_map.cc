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
    html += fmt::format("<td class=\"h{}\"", heat_level(row.values[i], map.best, map.worst));
    if (i < row.hover.size()) html += fmt::format(" title=\"{}\"", html_escape(row.hover[i]));
    html += fmt::format(">{}</td>", percent_text(row.values[i]));
  }
  return html + "</tr>\n";
}

}  // namespace

int heat_level(double value, double best, double worst) {
  if (!(value > best)) return 0;
  if (value >= worst) return kLevels - 1;
  const double place = std::log(value / best) / std::log(worst / best);
  return std::clamp(static_cast<int>(place * kLevels), 0, kLevels - 1);
}

std::string heat_scale_html(double best, double worst) {
  std::string html = fmt::format("<p class=\"scale\">{} % or less <span>", percent_text(best));
  for (int level = 0; level < kLevels; ++level) html += fmt::format("<i class=\"h{}\"></i>", level);
  return html + fmt::format("</span> {} % or more</p>\n", percent_text(worst));
}

std::string heat_map_style() {
  std::string style;
  for (int level = 0; level < kLevels; ++level) {
    const Color color = color_of(level);
    style += fmt::format(
        ".h{0}{{background:rgb({1:.0f},{2:.0f},{3:.0f});"
        "fill:rgb({1:.0f},{2:.0f},{3:.0f});color:{4}}}\n",
        level, color.red, color.green, color.blue, is_dark(color) ? "#fff" : "#111");
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
  return html + "</tbody>\n</table></div>\n" + heat_scale_html(map.best, map.worst) + "</div>\n";
}

}  // namespace narrow
