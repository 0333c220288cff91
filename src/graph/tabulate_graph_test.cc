#include "graph/tabulate_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/graph_builder.h"
#include "graph/slim/resnet_v1.h"

namespace narrow {
namespace {

// A row as one line: "operator name (attributes) result parameters multiply-adds: weights".
std::string text(const GraphRow& row) {
  std::string line = row.op + " " + row.name + " (" + row.attributes + ") " + row.result + " " +
                     std::to_string(row.parameters) + " " + std::to_string(row.multiply_adds) + ":";
  for (const std::string& weight : row.weights) line += " " + weight;
  return line;
}

std::vector<std::string> texts(const GraphTable& table) {
  std::vector<std::string> lines;
  for (const GraphRow& row : table.rows) lines.push_back(text(row));
  return lines;
}

Graph small_graph() {
  GraphBuilder builder("small");
  const ValueId x = builder.input(
      "images", {Dimension::free("N"), 3, Dimension::free("H"), Dimension::free("W")});
  ValueId y = builder.conv("a", x, 3, 4, square_window(3, 2, 1));
  y = builder.add("a/Relu", op::Relu{}, {builder.batch_norm("a/norm", y, 4, {})});
  y = builder.add("pool", op::MaxPool{same_window(2, 2)}, {y});
  y = builder.conv_with_bias("b", y, 4, 5, square_window(1, 1));
  return builder.finish({builder.add("sum", op::Add{}, {y, y})});
}

TEST(TabulateGraph, HasARowForEachInputAndNode) {
  const Graph graph = small_graph();
  const GraphTable table = tabulate_graph(graph, infer_shapes(graph, 9, 12));
  EXPECT_EQ(table.name, "small");
  EXPECT_THAT(
      texts(table),
      testing::ElementsAre(
          "input images () [N, 3, 9, 12] 0 0:",
          "Conv a (3x3 /2 pad 1) [N, 4, 5, 6] 108 3240: a/weights",
          "BatchNormalization a/norm () [N, 4, 5, 6] 16 0: a/norm/gamma a/norm/beta "
          "a/norm/moving_mean a/norm/moving_variance",
          "Relu a/Relu () [N, 4, 5, 6] 0 0:", "MaxPool pool (2x2 /2 same) [N, 4, 3, 3] 0 0:",
          "Conv b (1x1) [N, 5, 3, 3] 25 180: b/weights b/biases", "Add sum () [N, 5, 3, 3] 0 0:"));
  EXPECT_EQ(table.parameters, 108u + 16u + 25u);
  EXPECT_EQ(table.multiply_adds, 3240u + 180u);
}

TEST(TabulateGraph, CountsNothingWhereSizesAreNotKnown) {
  const Graph graph = small_graph();
  const GraphTable table = tabulate_graph(graph, infer_shapes(graph));
  EXPECT_EQ(text(table.rows[1]), "Conv a (3x3 /2 pad 1) [N, 4, ?, ?] 108 0: a/weights");
  EXPECT_EQ(table.parameters, 149u);
  EXPECT_EQ(table.multiply_adds, 0u);
}

TEST(TabulateGraph, SumsOfResnet50AreThoseOfSlim) {
  const Graph graph = resnet_v1("resnet_v1_50", 1000);
  const GraphTable table = tabulate_graph(graph, infer_shapes(graph, 224, 224));
  EXPECT_EQ(table.rows.size(), graph.nodes.size() + 1);
  EXPECT_EQ(table.parameters, 25610152u);
  EXPECT_EQ(table.multiply_adds, 3482255360u);
}

}  // namespace
}  // namespace narrow
