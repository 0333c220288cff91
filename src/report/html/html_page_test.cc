#include "report/html/html_page.h"

#include <gtest/gtest.h>

#include <limits>

#include "report/html/heat_map.h"
#include "report/html/html_text.h"
#include "report/html/svg_histogram.h"
#include "report/html/svg_plot.h"

namespace narrow {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(HtmlText, NothingEscapes) {
  EXPECT_EQ(html_escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  EXPECT_EQ(html_escape("\xC3\xA9 \xE2\x88\x9E \xF0\x9F\x98\x80"),
            "\xC3\xA9 \xE2\x88\x9E \xF0\x9F\x98\x80");
  // Cut, overlong, a surrogate, a stray byte, a control character.
  for (const char* bad : {"\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xFF", "\x01"}) {
    EXPECT_EQ(html_escape(bad).substr(0, 3), "\xEF\xBF\xBD") << bad;
  }
}

TEST(HtmlPage, EscapesTextAndAsksForNothingFromElsewhere) {
  HtmlPage page("A <b> & c", "sub<");
  page.add_tiles({{"5 <", "bits"}});
  page.add_facts({{"file", "a>b"}});
  page.add_section("S<", "note<", html_command("narrow --x '<y>'"));
  const std::string text = page.text("foot<");
  EXPECT_TRUE(contains(text, "<title>A &lt;b&gt; &amp; c</title>"));
  EXPECT_TRUE(contains(text, "<h2>S&lt;</h2>\n<p class=\"note\">note&lt;</p>"));
  EXPECT_TRUE(contains(text, "<dt>file</dt><dd>a&gt;b</dd>"));
  EXPECT_TRUE(contains(text, "<pre>narrow --x &#39;&lt;y&gt;&#39;</pre>"));
  EXPECT_TRUE(contains(text, "default-src 'none'"));
  EXPECT_FALSE(contains(text, "http:") || contains(text, "https:") || contains(text, "url("));
}

TEST(PlotScale, TicksAreRoundAndHoldTheValues) {
  const PlotScale linear({}, 0.13, 0.87, 0, 100);
  EXPECT_EQ(linear.ticks().front().label, "0");
  EXPECT_EQ(linear.ticks().back().label, "1");
  EXPECT_DOUBLE_EQ(linear(0.5), 50);
  PlotAxis axis;
  axis.is_log = true;
  axis.format = TickFormat::kPercent;
  const PlotScale log(axis, 0.0004, 0.7, 0, 100);
  EXPECT_EQ(log.ticks().front().label, "0.01 %");
  EXPECT_EQ(log.ticks().back().label, "100 %");
  EXPECT_DOUBLE_EQ(log(0.01), 50);
  EXPECT_FALSE(log.shows(0));
  axis = {};
  axis.whole_numbers = true;
  const PlotScale bits(axis, 1, 3, 0, 100);
  EXPECT_EQ(bits.ticks().size(), 3U);
  const PlotScale flat({}, 2, 2, 0, 100);
  EXPECT_DOUBLE_EQ(flat(2), 50);
  axis.is_log = true;
  const PlotScale one(axis, 5, 5, 0, 100);
  EXPECT_EQ(one.ticks().size(), 2U);
}

TEST(PlotSvg, DrawsWhatTheAxesShow) {
  Plot plot;
  plot.y.is_log = true;
  plot.series = {{"a<", {{1, 0.1, {{0.05, 0.2}}, "here"}, {2, 0, {}}, {3, 0.01, {}}}, true},
                 {"b", {{1, 0.3, {{0.2, 0.4}}}, {2, 0.1, {}}}}};
  plot.references = {{"float", 0.5}};
  const std::string svg = plot_svg(plot);
  EXPECT_TRUE(contains(svg, "<title>here</title>"));
  EXPECT_TRUE(contains(svg, ">a&lt;</text>"));
  EXPECT_TRUE(contains(svg, "class=\"band s0\""));
  EXPECT_TRUE(contains(svg, "class=\"whisker\""));
  EXPECT_TRUE(contains(svg, ">float</text>"));
  EXPECT_FALSE(contains(svg, "nan") || contains(svg, "inf"));
  EXPECT_TRUE(contains(plot_svg({}), "nothing to show"));
}

TEST(HeatMapHtml, ColoursByTheLogarithm) {
  HeatMap map;
  map.columns = {"1", "2", "3"};
  map.best = 0.01;
  map.rows = {{"w", false, {0.001, 0.1, std::numeric_limits<double>::infinity()}, {"x", "y", "z"}},
              {"gamma", true, {0, 0, 0}, {}}};
  const std::string html = heat_map_html(map);
  EXPECT_TRUE(contains(html, "<td class=\"h0\" title=\"x\">0.1</td>"));
  EXPECT_TRUE(contains(html, "<td class=\"h10\" title=\"y\">10</td>"));
  EXPECT_TRUE(contains(html, "<td class=\"h19\" title=\"z\">\xE2\x88\x9E</td>"));
  EXPECT_TRUE(contains(html, "<tr class=\"minor\">"));
}

TEST(HistogramSvg, EmptyBinsTakeNoSpace) {
  const std::string svg = histogram_svg({"d", -1, 1, {0, 4, 2}, {0, 0, 0}, "before", "after"});
  EXPECT_TRUE(contains(svg, "class=\"bar s0\""));
  EXPECT_FALSE(contains(svg, "class=\"bar s1\""));
  EXPECT_TRUE(contains(svg, ">before</text>"));
}

}  // namespace
}  // namespace narrow
