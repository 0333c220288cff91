#include "report/html/svg_histogram.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/html/html_text.h"
#include "report/html/svg_axis.h"

namespace narrow {
namespace {

constexpr double kHistogramWidth = 640;
constexpr double kHistogramLeft = 12;
constexpr double kHistogramRight = 12;
constexpr double kHistogramTop = 22;
constexpr double kHalf = 112;  // height of a half
constexpr double kHistogramHeight = kHistogramTop + 2 * kHalf + 44;
constexpr double kMiddle = kHistogramTop + kHalf;

// One half as bars; `direction` -1 goes up.
std::string bars(const std::vector<std::uint64_t>& counts, double direction, int color) {
  const std::uint64_t most = counts.empty() ? 0 : *std::ranges::max_element(counts);
  if (most == 0) return "";
  const double step =
      (kHistogramWidth - kHistogramLeft - kHistogramRight) / static_cast<double>(counts.size());
  std::string path;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    // What is there is seen, however rare it is.
    const double height =
        std::max(1.0, (kHalf - 6) * static_cast<double>(counts[i]) / static_cast<double>(most));
    path += fmt::format(
        "M{} {}h{}v{}h-{}z", svg_number(kHistogramLeft + step * static_cast<double>(i)),
        svg_number(kMiddle), svg_number(step), svg_number(direction * height), svg_number(step));
  }
  return fmt::format("<path class=\"bar s{}\" d=\"{}\"/>\n", color, path);
}

}  // namespace

std::string histogram_svg(const MirroredHistogram& histogram) {
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kHistogramWidth,
                  kHistogramHeight, html_escape(histogram.description));
  svg += bars(histogram.up, -1, 0) + bars(histogram.down, 1, 1);
  svg += fmt::format("<line class=\"base\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n",
                     kHistogramLeft, kMiddle, kHistogramWidth - kHistogramRight, kMiddle);
  svg += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", kHistogramLeft, kHistogramTop - 7,
                     html_escape(histogram.up_name));
  svg += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", kHistogramLeft, kMiddle + kHalf - 2,
                     html_escape(histogram.down_name));
  const PlotAxis axis;
  const PlotScale ticks(axis, histogram.low, histogram.high, 0, 1);
  const double span = histogram.high > histogram.low ? histogram.high - histogram.low : 1;
  for (const PlotTick& tick : ticks.ticks()) {
    if (tick.value < histogram.low || tick.value > histogram.high) continue;
    const double x = kHistogramLeft + (tick.value - histogram.low) / span *
                                          (kHistogramWidth - kHistogramLeft - kHistogramRight);
    svg += fmt::format(
        "<line class=\"base\" x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\"/>\n"
        "<text class=\"tick\" x=\"{0}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>\n",
        svg_number(x), svg_number(kMiddle + kHalf + 6), svg_number(kMiddle + kHalf + 11),
        svg_number(kMiddle + kHalf + 26), html_escape(tick.label));
  }
  return svg + "</svg>\n";
}

}  // namespace narrow
