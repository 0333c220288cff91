#include "report/html/svg_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/html/graph_layout.h"

namespace narrow {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(GraphLayout, RowsAreTheLongestWays) {
  // A chain of three whose first and last box meet again, as in a residual block.
  const auto places = layout_graph({{}, {0}, {1}, {0, 2}});
  EXPECT_EQ(places[0].row, 0U);
  EXPECT_EQ(places[1].row, 1U);
  EXPECT_EQ(places[2].row, 2U);
  EXPECT_EQ(places[3].row, 3U);
  for (const BoxPlace& place : places) EXPECT_EQ(place.column, 0);
}

TEST(GraphLayout, BoxesOfARowDoNotOverlap) {
  // Four branches from one box, and two that continue the outer ones.
  const auto places = layout_graph({{}, {0}, {0}, {0}, {0}, {1}, {4}, {5, 6}});
  EXPECT_EQ(places[1].column + 3, places[4].column);
  EXPECT_EQ(places[2].column, places[1].column + 1);
  EXPECT_EQ(places[5].column, places[1].column);
  EXPECT_EQ(places[6].column, places[4].column);
  EXPECT_EQ(places[0].column, (places[1].column + places[4].column) / 2);
  EXPECT_EQ(places[7].column, places[0].column);
  for (const BoxPlace& place : places) EXPECT_GE(place.column, 0);
}

TEST(GraphLayout, NothingHasNoPlaces) { EXPECT_TRUE(layout_graph({}).empty()); }

TEST(GraphSvg, ShowsBoxesLinesAndShares) {
  const std::string svg =
      graph_svg({{"input", "x<1>", "[N, 3]", {}, {0, 0}},
                 {"Conv 3x3", "a/very/long/name/of/one/convolution", "[N, 8]", {0}, {0.9, 0.0005}}},
                {"multiply-adds", "parameters"});
  EXPECT_THAT(svg, HasSubstr("x&lt;1&gt;"));
  EXPECT_THAT(svg, HasSubstr(".../name/of/one/convolution"));
  EXPECT_THAT(svg, HasSubstr("class=\"node h19\""));
  EXPECT_THAT(svg, HasSubstr("class=\"node h0\""));
  EXPECT_THAT(svg, HasSubstr("<path d="));
  EXPECT_THAT(svg, HasSubstr("parameters</label>"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace narrow
