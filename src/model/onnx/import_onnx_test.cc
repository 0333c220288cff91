#include "model/onnx/import_onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "graph/operators.h"
#include "model/onnx/onnx_elements.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using Names = std::vector<std::string>;

// A model with one input x [N, 2, 4] of type float32.
class Model {
 public:
  explicit Model(std::int64_t opset) {
    model_.set_ir_version(8);
    model_.add_opset_import()->set_version(opset);
    onnx::ValueInfoProto& input = *model_.mutable_graph()->add_input();
    input.set_name("x");
    auto& type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    type.mutable_shape()->add_dim()->set_dim_param("N");
    type.mutable_shape()->add_dim()->set_dim_value(2);
    type.mutable_shape()->add_dim()->set_dim_value(4);
  }

  onnx::NodeProto& node(const std::string& op_type, const Names& inputs, const Names& outputs) {
    onnx::NodeProto& node = *model_.mutable_graph()->add_node();
    fill(node, op_type, inputs, outputs);
    return node;
  }

  static void fill(onnx::NodeProto& node, const std::string& op_type, const Names& inputs,
                   const Names& outputs) {
    node.set_op_type(op_type);
    for (const std::string& input : inputs) node.add_input(input);
    for (const std::string& output : outputs) node.add_output(output);
  }

  onnx::TensorProto& floats(const std::string& name, const Shape& shape) {
    onnx::TensorProto& tensor = *model_.mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    for (const std::int64_t size : shape) tensor.add_dims(size);
    for (std::uint64_t i = 0; i < element_count(shape); ++i) tensor.add_float_data(1);
    return tensor;
  }

  onnx::ModelProto& message() { return model_; }

  Graph import(const std::string& output) {
    model_.mutable_graph()->add_output()->set_name(output);
    return import_onnx(model_);
  }

  void expect_refused(ErrorCategory category, const std::string& message) {
    EXPECT_THAT([&] { import("y"); },
                testing::Throws<Error>(testing::AllOf(
                    testing::Property("category", &Error::category, category),
                    testing::Property("what", &Error::what, testing::StrEq(message)))));
  }

 private:
  onnx::ModelProto model_;
};

void set_integers(onnx::NodeProto& node, const std::string& name,
                  const std::vector<std::int64_t>& values) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const std::int64_t value : values) attribute.add_ints(value);
}

void set_real(onnx::NodeProto& node, const std::string& name, float value) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
}

Names operators_of(const Graph& graph) {
  Names names;
  for (const Node& node : graph.nodes) names.emplace_back(operator_of(node).name);
  return names;
}

TEST(ImportOnnx, ParametersAreWeightsAndSmallOperandsConstants) {
  Model model(13);
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
  Model model(8);
  model.floats("kernel", {4, 3});
  onnx::ValueInfoProto& input = *model.message().mutable_graph()->add_input();
  input.set_name("kernel");
  model.node("MatMul", {"x", "kernel"}, {"y"});
  const Graph graph = model.import("y");
  EXPECT_EQ(graph.inputs.size(), 1U);
  EXPECT_EQ(graph.weights.at(0).role, WeightRole::kKernel);
}

TEST(ImportOnnx, NodesAreSortedAndNamesUnique) {
  Model model(13);
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
  Model model(9);
  model.node("Softmax", {"x"}, {"y"});
  EXPECT_THAT(operators_of(model.import("y")),
              testing::ElementsAre("Shape", "Flatten", "Softmax", "Reshape"));
  Model newer(13);
  newer.node("Softmax", {"x"}, {"y"});
  EXPECT_THAT(operators_of(newer.import("y")), testing::ElementsAre("Softmax"));
}

TEST(ImportOnnx, OldBoundsOfClipAreConstants) {
  Model model(6);
  set_real(model.node("Clip", {"x"}, {"y"}), "max", 6);
  const Graph graph = model.import("y");
  ASSERT_EQ(graph.nodes[0].inputs.size(), 3U);
  EXPECT_EQ(graph.nodes[0].inputs[1], kNoValue);
  float bound = 0;
  std::memcpy(&bound, graph.constant_of(graph.nodes[0].inputs[2])->bytes.data(), sizeof(bound));
  EXPECT_EQ(bound, 6);
}

TEST(ImportOnnx, OldAxesAreInputs) {
  Model model(11);
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
  Model model(6);
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
  Model model(7);
  onnx::AttributeProto& scales = *model.node("Upsample", {"x"}, {"y"}).add_attribute();
  scales.set_name("scales");
  for (const float scale : {1.0F, 1.0F, 2.0F}) scales.add_floats(scale);
  const Graph graph = model.import("y");
  const auto& resize = std::get<op::Resize>(graph.nodes.at(0).attributes);
  EXPECT_EQ(resize.places, op::ResizePlaces::kAsymmetric);
  EXPECT_EQ(resize.nearest, op::ResizeNearest::kFloor);
}

// twice(a; alpha) = LeakyRelu(LeakyRelu(a))
void add_twice(Model& model) {
  onnx::FunctionProto& function = *model.message().add_functions();
  function.set_name("twice");
  function.set_domain("mine");
  function.add_input("a");
  function.add_output("b");
  function.add_opset_import()->set_version(13);
  Model::fill(*function.add_node(), "LeakyRelu", {"a"}, {"inner"});
  Model::fill(*function.add_node(), "LeakyRelu", {"inner"}, {"b"});
  for (onnx::NodeProto& node : *function.mutable_node()) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name("alpha");
    attribute.set_ref_attr_name("slope");
  }
}

TEST(ImportOnnx, FunctionsAreTheirNodes) {
  Model model(13);
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

TEST(ImportOnnx, FunctionsThatCallThemselvesAreRefused) {
  Model model(13);
  add_twice(model);
  onnx::NodeProto& inner = *model.message().mutable_functions(0)->add_node();
  Model::fill(inner, "twice", {"b"}, {"more"});
  inner.set_domain("mine");
  model.node("twice", {"x"}, {"y"}).set_domain("mine");
  EXPECT_THROW(model.import("y"), Error);
}

// A branch that applies `op_type` to a value around it.
void add_branch(onnx::NodeProto& node, const std::string& name, const std::string& op_type,
                const Names& inputs) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::GRAPH);
  onnx::GraphProto& graph = *attribute.mutable_g();
  Model::fill(*graph.add_node(), op_type, inputs, {"result"});
  graph.add_output()->set_name("result");
}

TEST(ImportOnnx, BranchesReadTheValuesAroundThem) {
  Model model(13);
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
  Model model(13);
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

TEST(ImportOnnx, FunctionsWithinTheirOwnBranchesAreRefused) {
  Model model(13);
  add_twice(model);
  onnx::NodeProto& inner = *model.message().mutable_functions(0)->add_node();
  Model::fill(inner, "If", {"c"}, {"more"});
  for (const char* const name : {"then_branch", "else_branch"}) {
    add_branch(inner, name, "twice", {"b"});
    inner.mutable_attribute()->rbegin()->mutable_g()->mutable_node(0)->set_domain("mine");
  }
  onnx::NodeProto& largest = *model.message().mutable_functions(0)->add_node();
  Model::fill(largest, "ReduceMax", {"b"}, {"largest"});
  largest.add_attribute()->set_name("keepdims");
  Model::fill(*model.message().mutable_functions(0)->add_node(), "IsNaN", {"largest"}, {"c"});
  model.node("twice", {"x"}, {"y"}).set_domain("mine");
  EXPECT_THROW(model.import("y"), Error);
}

TEST(ImportOnnx, NamesWhatItCannotCompute) {
  Model model(13);
  model.node("Fancy", {"x"}, {"y"}).set_name("n");
  model.expect_refused(ErrorCategory::kUnsupported,
                       "the node n is Fancy of the domain ai.onnx, which is not computed");
  Model foreign(13);
  foreign.node("Relu", {"x"}, {"y"}).set_domain("com.example");
  foreign.expect_refused(ErrorCategory::kUnsupported,
                         "the node y is Relu of the domain com.example, which is not computed");
  Model loop(13);
  loop.node("Loop", {"x"}, {"y"}).set_name("n");
  loop.expect_refused(ErrorCategory::kCorrupt, "Loop n has no graph body");
}

// A state to which every round appends the x around the loop, and the numbers of the rounds.
TEST(ImportOnnx, SizesOfStatesThatChangeAreFree) {
  Model model(13);
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
  Model::fill(*body.add_node(), "Identity", {"goes_on"}, {"still"});
  Model::fill(*body.add_node(), "Concat", {"state", "x"}, {"longer"});
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

TEST(ImportOnnx, RefusesOpsetsThatItDoesNotKnow) {
  Model model(26);
  model.node("Relu", {"x"}, {"y"});
  model.expect_refused(ErrorCategory::kUnsupported,
                       "the node y is Relu of the domain ai.onnx, whose opset is 26, expected 1 to "
                       "25");
}

TEST(ImportOnnx, RefusesWhatContradictsItself) {
  Model circle(13);
  circle.node("Add", {"x", "y"}, {"a"}).set_name("n");
  circle.node("Relu", {"a"}, {"y"});
  circle.expect_refused(ErrorCategory::kCorrupt, "Add n reads what follows from its own result");
  Model twice(13);
  twice.node("Relu", {"x"}, {"y"});
  twice.node("Relu", {"x"}, {"y"});
  twice.expect_refused(ErrorCategory::kCorrupt, "two nodes make the value y");
  Model missing(13);
  missing.node("Relu", {"z"}, {"y"}).set_name("n");
  missing.expect_refused(ErrorCategory::kCorrupt, "Relu n reads the value z, which nothing makes");
  Model inputs(13);
  inputs.node("Add", {"x"}, {"y"}).set_name("n");
  inputs.expect_refused(ErrorCategory::kUnsupported, "Add n: 1 inputs, expected 2 to 2");
  Model hole(13);
  hole.node("Max", {"x", "", "x"}, {"y"}).set_name("n");
  hole.expect_refused(ErrorCategory::kUnsupported,
                      "Max n: an input is left out, expected all of them");
  Model codes(13);
  onnx::OperatorSetIdProto& opset = *codes.message().add_opset_import();
  opset.set_domain("com.microsoft");
  opset.set_version(1);
  onnx::NodeProto& sigmoid = codes.node("QLinearSigmoid", {"x"}, {"y"});
  sigmoid.set_name("n");
  sigmoid.set_domain("com.microsoft");
  codes.expect_refused(ErrorCategory::kUnsupported,
                       "QLinearSigmoid n: 1 inputs of DequantizeLinear, expected 2 to 3");
  Model many(13);
  many.node("TopK", {"x", "x"}, {"y"}).set_name("n");
  many.expect_refused(ErrorCategory::kUnsupported,
                      "TopK n: an input is [N, 2, 4] of type float32, expected integers on one "
                      "axis");
  Model wrong(13);
  set_integers(wrong.node("LeakyRelu", {"x"}, {"y"}), "alpha", {1});
  wrong.expect_refused(ErrorCategory::kCorrupt,
                       "LeakyRelu y: its attribute alpha is of the type INTS, expected FLOAT");
}

TEST(ImportOnnx, RefusesTensorsWhoseSizesLie) {
  Model model(13);
  model.floats("w", {1, 2, 4}).set_dims(2, std::int64_t{1} << 40);
  model.node("Add", {"x", "w"}, {"y"});
  // Large ones are weights whose values are not read here.
  EXPECT_THROW(model.import("y"), Error);
  Model little(13);
  little.floats("w", {1, 2, 4}).set_dims(2, 5);
  little.node("Add", {"x", "w"}, {"y"});
  EXPECT_THROW(little.import("y"), Error);
  Model negative(13);
  negative.floats("w", {4}).set_dims(0, -4);
  negative.node("Add", {"x", "w"}, {"y"});
  EXPECT_THROW(negative.import("y"), Error);
}

}  // namespace
}  // namespace narrow
