#include "model/onnx/import_onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "graph/operators.h"
#include "model/onnx/testing/onnx_model.h"

namespace narrow {
namespace {

using Names = std::vector<std::string>;

Names operators_of(const Graph& graph) {
  Names names;
  for (const Node& node : graph.nodes) names.emplace_back(operator_of(node).name);
  return names;
}

TEST(ImportOnnx, ParametersAreWeightsAndSmallOperandsConstants) {
  OnnxModel model(13);
  model.floats("kernel", {3, 2, 1});
  model.floats("bias", {3});
  model.floats("little", {1});
  model.floats("unread", {1});
  model.node("Conv", {"x", "kernel", "bias"}, {"c"}).set_name("conv");
  model.node("Mul", {"c", "little"}, {"y"});
  const Graph graph = model.import("y");
  ASSERT_EQ(graph.weights.size(), 2U);
  EXPECT_EQ(graph.weights[0], (Weight{"kernel", {3, 2, 1}}));
  EXPECT_EQ(graph.weights[1].role, WeightRole::kBias);
  EXPECT_EQ(graph.constants.size(), 1U);
  EXPECT_EQ(graph.nodes[0].name, "conv");
  EXPECT_EQ(graph.nodes[1].name, "y");
  EXPECT_EQ(graph.value(graph.inputs[0]).dimensions[0], Dimension::free("N"));
}

TEST(ImportOnnx, InitializersAmongTheInputsAreNone) {
  OnnxModel model(8);
  model.floats("kernel", {4, 3});
  onnx::ValueInfoProto& input = *model.message().mutable_graph()->add_input();
  input.set_name("kernel");
  model.node("MatMul", {"x", "kernel"}, {"y"});
  const Graph graph = model.import("y");
  EXPECT_EQ(graph.inputs.size(), 1U);
  EXPECT_EQ(graph.weights.at(0).role, WeightRole::kKernel);
}

TEST(ImportOnnx, NodesAreSortedAndNamesUnique) {
  OnnxModel model(13);
  model.node("Relu", {"b"}, {"y"}).set_name("n");
  model.node("Relu", {"a"}, {"b"}).set_name("n");
  model.node("Sigmoid", {"x"}, {"a"}).set_name("n");
  const Graph graph = model.import("y");
  EXPECT_THAT(operators_of(graph), testing::ElementsAre("Sigmoid", "Relu", "Relu"));
  EXPECT_EQ(graph.nodes[0].name, "n");
  EXPECT_EQ(graph.nodes[1].name, "n_2");
  EXPECT_EQ(graph.nodes[2].name, "n_3");
}

TEST(ImportOnnx, OldSoftmaxCountsTheAxesBehindAsOne) {
  OnnxModel model(9);
  model.node("Softmax", {"x"}, {"y"});
  EXPECT_THAT(operators_of(model.import("y")),
              testing::ElementsAre("Shape", "Flatten", "Softmax", "Reshape"));
  OnnxModel newer(13);
  newer.node("Softmax", {"x"}, {"y"});
  EXPECT_THAT(operators_of(newer.import("y")), testing::ElementsAre("Softmax"));
}

TEST(ImportOnnx, OldBoundsOfClipAreConstants) {
  OnnxModel model(6);
  set_real(model.node("Clip", {"x"}, {"y"}), "max", 6);
  const Graph graph = model.import("y");
  ASSERT_EQ(graph.nodes[0].inputs.size(), 3U);
  EXPECT_EQ(graph.nodes[0].inputs[1], kNoValue);
  float bound = 0;
  std::memcpy(&bound, graph.constant_of(graph.nodes[0].inputs[2])->bytes.data(), sizeof(bound));
  EXPECT_EQ(bound, 6);
}

TEST(ImportOnnx, OldAxesAreInputs) {
  OnnxModel model(11);
  set_integers(model.node("Unsqueeze", {"x"}, {"a"}), "axes", {0});
  set_integers(model.node("ReduceSum", {"a"}, {"b"}), "axes", {-1});
  set_integers(model.node("Squeeze", {"b"}, {"y"}), "axes", {0});
  const Graph graph = model.import("y");
  for (const Node& node : graph.nodes) {
    ASSERT_EQ(node.inputs.size(), 2U) << node.name;
    EXPECT_NE(graph.constant_of(node.inputs[1]), nullptr) << node.name;
  }
}

TEST(ImportOnnx, OldOperandsLieFromAnAxisOn) {
  OnnxModel model(6);
  model.floats("scale", {2});
  onnx::NodeProto& node = model.node("Mul", {"x", "scale"}, {"y"});
  for (const auto& [name, value] : {std::pair("broadcast", 1), std::pair("axis", 1)}) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_i(value);
  }
  EXPECT_THAT(operators_of(model.import("y")), testing::ElementsAre("Unsqueeze", "Mul"));
}

TEST(ImportOnnx, UpsampleIsResize) {
  OnnxModel model(7);
  onnx::AttributeProto& scales = *model.node("Upsample", {"x"}, {"y"}).add_attribute();
  scales.set_name("scales");
  for (const float scale : {1.0F, 1.0F, 2.0F}) scales.add_floats(scale);
  const Graph graph = model.import("y");
  const auto& resize = std::get<op::Resize>(graph.nodes.at(0).attributes);
  EXPECT_EQ(resize.places, op::ResizePlaces::kAsymmetric);
  EXPECT_EQ(resize.nearest, op::ResizeNearest::kFloor);
}

TEST(ImportOnnx, FunctionsAreTheirNodes) {
  OnnxModel model(13);
  add_twice(model);
  onnx::NodeProto& first = model.node("twice", {"x"}, {"m"});
  first.set_domain("mine");
  set_real(first, "slope", 0.25F);
  model.node("twice", {"m"}, {"y"}).set_domain("mine");
  const Graph graph = model.import("y");
  ASSERT_EQ(graph.nodes.size(), 4U);
  const auto alpha = [&](std::size_t i) {
    return std::get<op::Activation>(graph.nodes[i].attributes).alpha;
  };
  EXPECT_EQ(alpha(0), 0.25);
  EXPECT_EQ(alpha(1), 0.25);
  EXPECT_NEAR(alpha(2), 0.01, 1e-9);
}

TEST(ImportOnnx, BranchesReadTheValuesAroundThem) {
  OnnxModel model(13);
  onnx::ValueInfoProto& condition = *model.message().mutable_graph()->add_input();
  condition.set_name("c");
  condition.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::BOOL);
  condition.mutable_type()->mutable_tensor_type()->mutable_shape();
  model.node("Exp", {"x"}, {"e"});
  onnx::NodeProto& node = model.node("If", {"c"}, {"y"});
  add_branch(node, "then_branch", "Relu", {"x"});
  add_branch(node, "else_branch", "Add", {"e", "x"});
  const Graph graph = model.import("y");
  ASSERT_EQ(graph.nodes.size(), 2U);
  const Node& made = graph.nodes.back();
  const auto& branches = std::get<op::If>(made.attributes);
  EXPECT_EQ(made.inputs.size(), 3U);
  EXPECT_EQ(branches.then_branch->inputs.size(), 2U);
  EXPECT_EQ(branches.else_branch->inputs.size(), 2U);
}

TEST(ImportOnnx, ABranchThatIsKnownStandsInPlaceOfTheNode) {
  OnnxModel model(13);
  onnx::TensorProto& condition = *model.message().mutable_graph()->add_initializer();
  condition.set_name("c");
  condition.set_data_type(onnx::TensorProto::BOOL);
  condition.add_int32_data(0);
  onnx::NodeProto& node = model.node("If", {"c"}, {"y"});
  add_branch(node, "then_branch", "Fancy", {"x"});
  add_branch(node, "else_branch", "Relu", {"x"});
  const Graph graph = model.import("y");
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(operator_of(graph.nodes[0]).name, "Relu");
}

// A state to which every round appends the x around the loop, and the numbers of the rounds.
TEST(ImportOnnx, SizesOfStatesThatChangeAreFree) {
  OnnxModel model(13);
  onnx::TensorProto& rounds = *model.message().mutable_graph()->add_initializer();
  rounds.set_name("rounds");
  rounds.set_data_type(onnx::TensorProto::INT64);
  rounds.add_int64_data(3);
  onnx::NodeProto& node = model.node("Loop", {"rounds", "", "x"}, {"y", "numbers"});
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name("body");
  attribute.set_type(onnx::AttributeProto::GRAPH);
  onnx::GraphProto& body = *attribute.mutable_g();
  for (const char* name : {"round", "goes_on", "state"}) body.add_input()->set_name(name);
  OnnxModel::fill(*body.add_node(), "Identity", {"goes_on"}, {"still"});
  OnnxModel::fill(*body.add_node(), "Concat", {"state", "x"}, {"longer"});
  onnx::AttributeProto& axis = *body.mutable_node(1)->add_attribute();
  axis.set_name("axis");
  axis.set_type(onnx::AttributeProto::INT);
  axis.set_i(1);
  for (const char* name : {"still", "longer", "round"}) body.add_output()->set_name(name);
  const Graph graph = model.import("y");
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.nodes[0].inputs.size(), 4U);  // no condition; x again, from outside
  const auto& loop = std::get<op::Loop>(graph.nodes[0].attributes);
  EXPECT_EQ(loop.states, 1);
  ASSERT_EQ(loop.body->inputs.size(), 4U);
  EXPECT_EQ(to_string(loop.body->value(loop.body->inputs[2]).dimensions), "[N, ?, 4]");
  EXPECT_EQ(to_string(loop.body->value(loop.body->inputs[3]).dimensions), "[N, 2, 4]");
  // One that is 4 after the first round, whatever it was.
  body.mutable_node(1)->set_input(0, "x");
  const Graph settled = model.import("numbers");
  const auto& other = std::get<op::Loop>(settled.nodes[0].attributes);
  EXPECT_EQ(to_string(other.body->value(other.body->inputs[2]).dimensions), "[N, ?, 4]");
}

}  // namespace
}  // namespace narrow
