#include "graph/drop_identities.h"

#include <gtest/gtest.h>

#include "graph/graph_builder.h"

namespace narrow {
namespace {

std::vector<std::string> names_of_nodes(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.name);
  return names;
}

TEST(DropIdentities, ReadsWhatTheyRead) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {2, 4});
  const ValueId same = builder.add("same", op::Identity{}, {x});
  const ValueId cast = builder.add("cast", op::Cast{DType::kFloat32}, {same});
  const ValueId relu = builder.add("relu", op::Relu{}, {cast});
  const ValueId dropout = builder.add("dropout", op::Dropout{}, {relu});
  const ValueId like = builder.add("like", op::CastLike{}, {dropout, x});
  Graph graph = builder.finish({builder.add("sum", op::Add{}, {like, cast})});
  drop_identities(graph);
  check(graph);
  EXPECT_EQ(names_of_nodes(graph), (std::vector<std::string>{"relu", "sum"}));
  EXPECT_EQ(graph.nodes[0].inputs, graph.inputs);
  EXPECT_EQ(graph.nodes[1].inputs,
            (std::vector<ValueId>{graph.nodes[0].output(), graph.inputs[0]}));
}

TEST(DropIdentities, KeepsOtherTypesAndWhatTheGraphGives) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {2, 4});
  const ValueId whole = builder.add("whole", op::Cast{DType::kInt32}, {x});
  const ValueId back = builder.add("back", op::Cast{DType::kFloat32}, {whole});
  const auto masked = builder.add_node("masked", op::Dropout{}, {back}, 2);
  const ValueId result = builder.add("result", op::Identity{}, {masked[0]});
  Graph graph = builder.finish({result, masked[1]});
  drop_identities(graph);
  check(graph);
  EXPECT_EQ(names_of_nodes(graph), (std::vector<std::string>{"whole", "back", "masked", "result"}));
}

}  // namespace
}  // namespace narrow
