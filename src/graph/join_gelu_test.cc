#include "graph/join_gelu.h"

#include <gtest/gtest.h>

#include "graph/constants.h"
#include "graph/graph_builder.h"

namespace narrow {
namespace {

const op::Binary kMul{op::BinaryKind::kMul};

// The factors x, 1 + erf and 1 / 2 are multiplied in this order; the rest of the function is as
// given.
struct Written {
  bool divides = true;  // by sqrt 2
  double one = 1;
  double half = 0.5;
  int order = 0;  // 0: (x e) h, 1: (e h) x, 2: e (h x)
};

Graph written_out(const Written& how) {
  GraphBuilder builder("g");
  const auto number = [&](const char* name, double value) {
    return builder.constant(name, make_constant(std::vector<double>{value}));
  };
  const ValueId x = builder.input("x", {2, 4});
  const ValueId scaled = how.divides ? builder.add("scaled", op::Binary{op::BinaryKind::kDiv},
                                                   {x, number("root", 1.4142135)})
                                     : builder.add("scaled", kMul, {number("root", 0.70710678), x});
  const ValueId erf = builder.add("erf", op::Unary{op::UnaryKind::kErf}, {scaled});
  const ValueId e = builder.add("e", op::Add{}, {number("one", how.one), erf});
  const ValueId h = number("half", how.half);
  const auto product = [&](const char* name, ValueId a, ValueId b) {
    return builder.add(name, kMul, {a, b});
  };
  if (how.order == 0) return builder.finish({product("y", product("p", x, e), h)});
  if (how.order == 1) return builder.finish({product("y", x, product("p", h, e))});
  return builder.finish({product("y", e, product("p", x, h))});
}

TEST(JoinGelu, TakesFactorsInAnyOrder) {
  for (const bool divides : {true, false}) {
    for (const int order : {0, 1, 2}) {
      Graph graph = written_out({divides, 1, 0.5, order});
      join_gelu(graph);
      check(graph);
      ASSERT_EQ(graph.nodes.size(), 1U) << order;
      EXPECT_EQ(graph.nodes[0].name, "y");
      EXPECT_EQ(graph.nodes[0].inputs, graph.inputs);
      const auto* const gelu = std::get_if<op::Activation>(&graph.nodes[0].attributes);
      ASSERT_NE(gelu, nullptr);
      EXPECT_EQ(gelu->kind, op::ActivationKind::kGelu);
    }
  }
}

TEST(JoinGelu, LeavesOtherFunctions) {
  for (const int order : {0, 1, 2}) {
    Graph other_sum = written_out({true, 1.5, 0.5, order});
    join_gelu(other_sum);
    EXPECT_EQ(other_sum.nodes.size(), 5U);
    Graph other_factor = written_out({true, 1, 0.25, order});
    join_gelu(other_factor);
    EXPECT_EQ(other_factor.nodes.size(), 5U);
  }
}

TEST(JoinGelu, KeepsWhatIsReadBeside) {
  Graph graph = written_out({});
  graph.outputs.push_back(graph.nodes[1].output());
  join_gelu(graph);
  check(graph);
  ASSERT_EQ(graph.nodes.size(), 3U);
  EXPECT_EQ(graph.nodes[1].name, "erf");
}

}  // namespace
}  // namespace narrow
