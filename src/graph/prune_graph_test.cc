#include "graph/prune_graph.h"

#include <gtest/gtest.h>

#include "graph/constants.h"
#include "graph/graph_builder.h"

namespace narrow {
namespace {

TEST(RemoveUnused, KeepsWhatIsReadInItsOrder) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {2, 4});
  builder.input("unread", {1});
  builder.weight({"unread weight", {4}});
  builder.constant("unread constant", make_constant(std::vector<std::int64_t>{1}));
  const ValueId shape = builder.constant("shape", make_constant(std::vector<std::int64_t>{8}));
  builder.add("unread node", op::Relu{}, {builder.add("before it", op::Relu{}, {x})});
  const ValueId bias = builder.weight({"bias", {8}});
  const ValueId flat = builder.add("flat", op::Reshape{}, {x, shape});
  Graph graph = builder.finish({builder.add("sum", op::Add{}, {flat, bias})});
  remove_unused(graph);
  check(graph);
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(graph.nodes[0].name, "flat");
  EXPECT_EQ(graph.nodes[1].name, "sum");
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weight_of(graph.nodes[1].inputs[1])->name, "bias");
  ASSERT_EQ(graph.constants.size(), 1U);
  EXPECT_NE(graph.constant_of(graph.nodes[0].inputs[1]), nullptr);
  EXPECT_EQ(graph.inputs.size(), 2U);
}

TEST(RemoveUnused, LeavesOutResultsThatNothingReads) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {6});
  const auto parts = builder.add_node("split", op::Split{0, 3}, {x}, 3);
  const auto dropout = builder.add_node("dropout", op::Dropout{}, {parts[1]}, 2);
  Graph graph = builder.finish({dropout[0]});
  remove_unused(graph);
  check(graph);
  ASSERT_EQ(graph.nodes[0].outputs.size(), 2U);
  EXPECT_NE(graph.nodes[0].outputs[0], kNoValue);
  EXPECT_NE(graph.nodes[0].outputs[1], kNoValue);
  EXPECT_EQ(graph.nodes[1].outputs.size(), 1U);
}

}  // namespace
}  // namespace narrow
