#include "report/html/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "report/html/html_text.h"

namespace narrow {
namespace {

constexpr double kWidth = 640;
constexpr double kHeight = 380;
constexpr double kLeft = 66;
constexpr double kRight = 18;
constexpr double kTop = 34;
constexpr double kBottom = 48;
constexpr std::size_t kColors = 6;
// About the width of a character of the legend.
constexpr double kCharacter = 6.9;

struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double value, bool is_log) {
    if (!std::isfinite(value) || (is_log && value <= 0)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  [[nodiscard]] bool is_empty() const { return low > high; }
};

class PlotPainter {
 public:
  PlotPainter(const Plot& plot, const Extent& x, const Extent& y)
      : plot_(plot),
        x_(plot.x, x.low, x.high, kLeft, kWidth - kRight),
        y_(plot.y, y.low, y.high, kHeight - kBottom, kTop) {}

  std::string paint() {
    svg_ = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kWidth,
                       kHeight, html_escape(plot_.description));
    axes();
    for (const PlotReference& reference : plot_.references) draw_reference(reference);
    for (std::size_t i = 0; i < plot_.series.size(); ++i) draw_lines(plot_.series[i], i % kColors);
    for (std::size_t i = 0; i < plot_.series.size(); ++i) draw_marks(plot_.series[i], i % kColors);
    if (plot_.series.size() > 1) legend();
    return svg_ + "</svg>\n";
  }

 private:
  void line(double x1, double y1, double x2, double y2, const char* css) {
    svg_ += fmt::format("<line class=\"{}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n", css,
                        svg_number(x1), svg_number(y1), svg_number(x2), svg_number(y2));
  }

  void write(double x, double y, const char* anchor, const char* css, const std::string& text) {
    svg_ += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n", css,
                        svg_number(x), svg_number(y), anchor, html_escape(text));
  }

  void axes() {
    const double bottom = kHeight - kBottom;
    for (const PlotTick& tick : y_.ticks()) {
      const double y = y_(tick.value);
      line(kLeft, y, kWidth - kRight, y, "rule");
      write(kLeft - 8, y + 4, "end", "tick", tick.label);
    }
    for (const PlotTick& tick : x_.ticks()) {
      const double x = x_(tick.value);
      line(x, bottom, x, bottom + 5, "base");
      write(x, bottom + 19, "middle", "tick", tick.label);
    }
    line(kLeft, bottom, kWidth - kRight, bottom, "base");
    write((kLeft + kWidth - kRight) / 2, kHeight - 8, "middle", "axis", plot_.x.title);
    svg_ += fmt::format(
        "<text class=\"axis\" x=\"14\" y=\"{0}\" text-anchor=\"middle\" "
        "transform=\"rotate(-90 14 {0})\">{1}</text>\n",
        svg_number((kTop + bottom) / 2), html_escape(plot_.y.title));
  }

  void draw_reference(const PlotReference& reference) {
    if (!y_.shows(reference.y)) return;
    const double y = y_(reference.y);
    line(kLeft, y, kWidth - kRight, y, "ref");
    write(kLeft + 6, y - 5, "start", "axis", reference.name);
  }

  [[nodiscard]] bool shows(const PlotPoint& point) const {
    return x_.shows(point.x) && y_.shows(point.y);
  }

  [[nodiscard]] bool shows_range(const PlotPoint& point) const {
    return shows(point) && point.range && y_.shows(point.range->first) &&
           y_.shows(point.range->second);
  }

  void draw_lines(const PlotSeries& series, std::size_t color) {
    if (series.has_band) draw_band(series, color);
    std::string path;
    bool is_open = false;
    for (const PlotPoint& point : series.points) {
      if (!shows(point)) {
        is_open = false;
        continue;
      }
      path += fmt::format("{}{} {} ", is_open ? 'L' : 'M', svg_number(x_(point.x)),
                          svg_number(y_(point.y)));
      is_open = true;
    }
    svg_ += fmt::format("<path class=\"stroke s{}\" d=\"{}\"/>\n", color, path);
  }

  void draw_band(const PlotSeries& series, std::size_t color) {
    std::string upper;
    std::string lower;
    for (const PlotPoint& point : series.points) {
      if (!shows_range(point)) continue;
      const std::string x = svg_number(x_(point.x));
      upper += fmt::format("{},{} ", x, svg_number(y_(point.range->second)));
      lower.insert(0, fmt::format("{},{} ", x, svg_number(y_(point.range->first))));
    }
    svg_ += fmt::format("<polygon class=\"band s{}\" points=\"{}{}\"/>\n", color, upper, lower);
  }

  void draw_marks(const PlotSeries& series, std::size_t color) {
    svg_ += fmt::format("<g class=\"s{}\">\n", color);
    for (const PlotPoint& point : series.points) {
      if (!shows(point)) continue;
      const double x = x_(point.x);
      const double y = y_(point.y);
      if (!series.has_band && shows_range(point)) {
        line(x, y_(point.range->first), x, y_(point.range->second), "whisker");
      }
      mark(x, y, color, point.hover);
      if (!point.label.empty()) write(x, y - 8, "middle", "tick", point.label);
    }
    svg_ += "</g>\n";
  }

  // A shape of its own for each colour, for those who cannot tell colours apart and for print.
  void mark(double x, double y, std::size_t shape, const std::string& hover) {
    const std::string title =
        hover.empty() ? "" : fmt::format("<title>{}</title>", html_escape(hover));
    if (shape % 3 == 0) {
      svg_ += fmt::format("<circle class=\"mark\" cx=\"{}\" cy=\"{}\" r=\"4.2\">{}</circle>\n",
                          svg_number(x), svg_number(y), title);
      return;
    }
    const char* path = shape % 3 == 1 ? "M-4 -4H4V4H-4Z" : "M0 -5.2L5 4H-5Z";
    svg_ += fmt::format("<path class=\"mark\" transform=\"translate({} {})\" d=\"{}\">{}</path>\n",
                        svg_number(x), svg_number(y), path, title);
  }

  void legend() {
    double x = kLeft;
    for (std::size_t i = 0; i < plot_.series.size(); ++i) {
      const std::string& name = plot_.series[i].name;
      svg_ += fmt::format("<g class=\"s{}\">", i % kColors);
      line(x, 14, x + 22, 14, "stroke");
      mark(x + 11, 14, i % kColors, "");
      svg_ += "</g>\n";
      write(x + 28, 18, "start", "legend", name);
      x += 28 + kCharacter * static_cast<double>(name.size()) + 18;
    }
  }

  const Plot& plot_;
  PlotScale x_;
  PlotScale y_;
  std::string svg_;
};

}  // namespace

std::string plot_svg(const Plot& plot) {
  Extent x;
  Extent y;
  for (const PlotSeries& series : plot.series) {
    for (const PlotPoint& point : series.points) {
      x.add(point.x, plot.x.is_log);
      y.add(point.y, plot.y.is_log);
      if (!point.range) continue;
      y.add(point.range->first, plot.y.is_log);
      y.add(point.range->second, plot.y.is_log);
    }
  }
  for (const PlotReference& reference : plot.references) y.add(reference.y, plot.y.is_log);
  if (x.is_empty() || y.is_empty()) return "<p class=\"note\">There is nothing to show.</p>\n";
  return PlotPainter(plot, x, y).paint();
}

}  // namespace narrow
