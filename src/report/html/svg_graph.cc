#include "report/html/svg_graph.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/html/graph_layout.h"
#include "report/html/heat_map.h"
#include "report/html/html_text.h"

namespace narrow {
namespace {

// In units of the picture.
constexpr double kBoxWidth = 168;
constexpr double kBoxHeight = 38;
constexpr double kColumnWidth = 184;
constexpr double kRowHeight = 62;
constexpr double kMargin = 10;
// What fits into a box.
constexpr std::size_t kMostLetters = 27;
// Shares with the first and the last colour.
constexpr double kSmallShare = 0.001;
constexpr double kLargeShare = 0.2;

double left_of(const BoxPlace& place) { return kMargin + place.column * kColumnWidth; }
double top_of(const BoxPlace& place) {
  return kMargin + static_cast<double>(place.row) * kRowHeight;
}

// Names differ at their ends.
std::string shortened(const std::string& text, bool keep_end) {
  if (text.size() <= kMostLetters) return text;
  if (keep_end) return "..." + text.substr(text.size() - (kMostLetters - 3));
  return text.substr(0, kMostLetters - 3) + "...";
}

std::string line_svg(const BoxPlace& from, const BoxPlace& to) {
  const double x1 = left_of(from) + kBoxWidth / 2;
  const double y1 = top_of(from) + kBoxHeight;
  const double x2 = left_of(to) + kBoxWidth / 2;
  const double y2 = top_of(to);
  const double bend = (y2 - y1) / 2;
  return fmt::format("<path d=\"M{} {}C{} {} {} {} {} {}\"/>\n", svg_number(x1), svg_number(y1),
                     svg_number(x1), svg_number(y1 + bend), svg_number(x2), svg_number(y2 - bend),
                     svg_number(x2), svg_number(y2));
}

std::string box_svg(const SvgGraphNode& node, const BoxPlace& place, double share) {
  const std::string color =
      share > 0 ? fmt::format(" h{}", heat_level(share, kSmallShare, kLargeShare)) : "";
  return fmt::format(
      "<g class=\"node{}\" transform=\"translate({} {})\"><title>{}</title>"
      "<rect width=\"{}\" height=\"{}\" rx=\"5\"/><text x=\"8\" y=\"16\">{}</text>"
      "<text x=\"8\" y=\"31\" class=\"name\">{}</text></g>\n",
      color, svg_number(left_of(place)), svg_number(top_of(place)),
      html_escape(node.title + "\n" + node.subtitle + "\n" + node.hover), svg_number(kBoxWidth),
      svg_number(kBoxHeight), html_escape(shortened(node.title, false)),
      html_escape(shortened(node.subtitle, true)));
}

// Which measure colours the boxes, and how large they are.
std::string controls_html(const std::vector<std::string>& measures) {
  std::string html;
  for (std::size_t i = 0; i < measures.size(); ++i) {
    html += fmt::format(
        "<input type=\"radio\" name=\"measure\" id=\"by{0}\" class=\"by{0}\"{1}>"
        "<label for=\"by{0}\">{2}</label>\n",
        i, i == 0 ? " checked" : "", html_escape(measures[i]));
  }
  return html +
         "<span class=\"zoom\"><button data-zoom=\"1.25\">+</button>"
         "<button data-zoom=\"0.8\">&minus;</button><button data-zoom=\"0\">fit</button></span>\n";
}

}  // namespace

std::string graph_svg(const std::vector<SvgGraphNode>& nodes,
                      const std::vector<std::string>& measures) {
  std::vector<std::vector<std::size_t>> sources;
  for (const SvgGraphNode& node : nodes) sources.push_back(node.sources);
  const std::vector<BoxPlace> places = layout_graph(sources);
  double width = 0;
  double height = 0;
  std::string lines = "<g class=\"lines\">\n";
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    width = std::max(width, left_of(places[i]) + kBoxWidth + kMargin);
    height = std::max(height, top_of(places[i]) + kBoxHeight + kMargin);
    for (const std::size_t source : sources[i]) lines += line_svg(places[source], places[i]);
  }
  lines += "</g>\n";
  std::string boxes;
  for (std::size_t measure = 0; measure < measures.size(); ++measure) {
    boxes += fmt::format("<g class=\"boxes boxes{}\">\n", measure);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      boxes += box_svg(nodes[i], places[i], nodes[i].shares[measure]);
    }
    boxes += "</g>\n";
  }
  return fmt::format(
      "<div class=\"graph\">\n{}<div class=\"scroll\"><svg viewBox=\"0 0 {} {}\" "
      "style=\"width:{}px\" role=\"img\">\n{}{}</svg></div>\n{}</div>\n",
      controls_html(measures), svg_number(width), svg_number(height), svg_number(width), lines,
      boxes, heat_scale_html(kSmallShare, kLargeShare));
}

}  // namespace narrow
