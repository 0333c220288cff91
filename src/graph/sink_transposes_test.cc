#include "graph/sink_transposes.h"

#include <gtest/gtest.h>

#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "graph/operators.h"
#include "graph/shapes.h"

namespace narrow {
namespace {

const op::Transpose kToFirst{{0, 3, 1, 2}};
const op::Transpose kToLast{{0, 2, 3, 1}};

std::vector<std::string> operators(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.emplace_back(operator_of(node).name);
  return names;
}

// Convolutions of channels that come last, as TensorFlow's exporters write them.
class LastChannels {
 public:
  ValueId input(Dimensions dimensions) { return builder_.input("x", std::move(dimensions)); }
  ValueId conv(ValueId x, std::int64_t in, std::int64_t out) {
    const std::string name = "conv" + std::to_string(++count_);
    const ValueId weights = builder_.weight({name + "/w", {out, in, 1, 1}});
    const ValueId first = builder_.add(name + "/first", kToFirst, {x});
    const ValueId y = builder_.add(name, op::Conv{square_window(1, 1)}, {first, weights});
    return builder_.add(name + "/last", kToLast, {y});
  }
  ValueId weight(Shape shape) {
    return builder_.weight({"w" + std::to_string(++count_), std::move(shape)});
  }
  ValueId add(Attributes op, std::vector<ValueId> inputs) {
    return builder_.add("n" + std::to_string(++count_), std::move(op), std::move(inputs));
  }
  GraphBuilder& builder() { return builder_; }
  Graph finish(ValueId output) {
    Graph graph = builder_.finish({output});
    sink_transposes(graph);
    check(graph);
    return graph;
  }

 private:
  GraphBuilder builder_{"g"};
  int count_ = 0;
};

TEST(SinkTransposes, ScalesAndSumsOfAResidualBlockComeToTheConvolutions) {
  LastChannels net;
  const ValueId x = net.conv(net.input({1, 5, 6, 3}), 3, 4);
  const ValueId scaled = net.add(op::Binary{op::BinaryKind::kMul}, {x, net.weight({4})});
  const ValueId y = net.conv(net.add(op::Relu{}, {scaled}), 4, 4);
  const Graph graph = net.finish(net.add(op::Relu{}, {net.add(op::Add{}, {y, scaled})}));
  EXPECT_EQ(operators(graph),
            (std::vector<std::string>{"Transpose", "Conv", "Reshape", "Transpose", "Mul", "Relu",
                                      "Conv", "Add", "Relu", "Transpose"}));
  EXPECT_EQ(to_string(infer_shapes(graph)[static_cast<std::size_t>(graph.outputs[0])]),
            "[1, 5, 6, 4]");
}

TEST(SinkTransposes, JoinsAndPads) {
  LastChannels net;
  const ValueId x = net.input({1, 5, 6, 3});
  const ValueId both = net.add(op::Concat{-1}, {net.conv(x, 3, 2), net.conv(x, 3, 4)});
  const ValueId pads = net.builder().constant(
      "pads", make_constant(std::vector<std::int64_t>{0, 1, 2, 0, 0, 3, 4, 0}));
  const Graph graph = net.finish(net.conv(net.add(op::Pad{}, {both, pads}), 6, 1));
  EXPECT_EQ(operators(graph), (std::vector<std::string>{"Transpose", "Conv", "Transpose", "Conv",
                                                        "Concat", "Pad", "Conv", "Transpose"}));
  EXPECT_EQ(to_string(infer_shapes(graph)[static_cast<std::size_t>(graph.outputs[0])]),
            "[1, 9, 12, 1]");
}

TEST(SinkTransposes, StayWhereNothingIsGained) {
  LastChannels net;
  const ValueId x = net.conv(net.input({1, 5, 6, 3}), 3, 4);
  const ValueId other = net.builder().input("other", {1, 5, 6, 4});
  const Graph graph = net.finish(net.add(op::Add{}, {x, other}));
  EXPECT_EQ(operators(graph), (std::vector<std::string>{"Transpose", "Conv", "Transpose", "Add"}));
}

TEST(SinkTransposes, WhatTheGraphGivesStays) {
  LastChannels net;
  const ValueId x = net.input({1, 5, 6, 3});
  const ValueId first = net.add(kToFirst, {x});
  const Graph graph = net.finish(net.add(kToLast, {first}));
  EXPECT_EQ(to_string(infer_shapes(graph)[static_cast<std::size_t>(graph.outputs[0])]),
            "[1, 5, 6, 3]");
}

}  // namespace
}  // namespace narrow
