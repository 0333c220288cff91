#include "checkpoint/onnx/onnx_weights.h"

#include <gtest/gtest.h>

#include "checkpoint/memory_file.h"
#include "checkpoint/onnx/testing/onnx_models.h"

namespace narrow {
namespace {

// The weights of a model with their channel axis; "w" for one without.
std::map<std::string, std::string> weights_of(const onnx::ModelProto& model) {
  const std::string content = model.SerializeAsString();
  const MemoryFile file(as_byte_span(content));
  std::map<std::string, std::string> weights;
  const auto reader = open_checkpoint(file.path());
  for (const TensorInfo& info : reader->tensors()) {
    EXPECT_NE(info.use, TensorUse::kUnknown);
    if (info.use != TensorUse::kWeight) continue;
    weights[info.name] = info.channel_axis ? std::to_string(*info.channel_axis) : "w";
  }
  return weights;
}

using Weights = std::map<std::string, std::string>;

TEST(OnnxWeights, AreTheInputsOfLinearLayersAndTables) {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  for (const char* const name :
       {"conv", "transposed", "gemm", "gemm_t", "left", "right", "table"}) {
    *graph.add_initializer() = counting_tensor(name, {2, 2});
  }
  for (const char* const name : {"bias", "vector"}) {
    *graph.add_initializer() = counting_tensor(name, {2});
  }
  *graph.add_initializer() = counting_tensor("added", {2, 2});
  *graph.add_initializer() = counting_tensor("cube", {2, 2, 2});
  add_node(graph, "Conv", {"x", "conv", "bias"}, "a");
  add_node(graph, "ConvTranspose", {"x", "transposed"}, "b");
  add_node(graph, "Gemm", {"x", "gemm", "bias"}, "c");
  add_attribute(add_node(graph, "Gemm", {"x", "gemm_t"}, "d"), "transB").set_i(1);
  add_node(graph, "MatMul", {"left", "x"}, "e");
  add_node(graph, "MatMul", {"x", "right"}, "f");
  add_node(graph, "MatMul", {"x", "vector"}, "g");
  add_node(graph, "Gather", {"table", "x"}, "h");
  add_node(graph, "Gather", {"cube", "x"}, "i");
  add_node(graph, "Add", {"x", "added"}, "j");
  add_node(graph, "Conv", {"x"}, "k");
  add_node(graph, "MatMul", {"x", "added"}, "l").set_domain("of somebody else");
  EXPECT_EQ(weights_of(model), (Weights{{"conv", "0"},
                                        {"transposed", "1"},
                                        {"gemm", "1"},
                                        {"gemm_t", "0"},
                                        {"left", "0"},
                                        {"right", "1"},
                                        {"table", "0"}}));
}

TEST(OnnxWeights, AreFoundThroughNodesThatKeepThem) {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  *graph.add_initializer() = counting_tensor("cast", {2, 2});
  *graph.add_initializer() = counting_tensor("flipped", {2, 3});
  *graph.add_initializer() = counting_tensor("turned", {2, 3, 4});
  *graph.add_initializer() = counting_tensor("shaped", {6});
  auto& codes = *graph.add_initializer();
  codes = tensor_message("codes", onnx::TensorProto::INT8, {2, 2}, "abcd");
  add_node(graph, "Cast", {"cast"}, "cast1");
  add_node(graph, "Identity", {"cast1"}, "cast2");
  add_node(graph, "Transpose", {"flipped"}, "flipped1");
  auto& perm = add_attribute(add_node(graph, "Transpose", {"turned"}, "turned1"), "perm");
  for (const std::int64_t axis : {2, 0, 1}) perm.add_ints(axis);
  add_node(graph, "Reshape", {"shaped", "shape"}, "shaped1");
  add_node(graph, "DequantizeLinear", {"codes", "scale"}, "codes1");
  // In the order in which nobody runs them.
  for (const char* const name : {"cast2", "flipped1", "turned1", "shaped1", "codes1"}) {
    add_node(graph, "MatMul", {"x", name}, std::string("y") + name);
  }
  EXPECT_EQ(
      weights_of(model),
      (Weights{{"cast", "1"}, {"flipped", "0"}, {"turned", "1"}, {"shaped", "w"}, {"codes", "1"}}));
}

TEST(OnnxWeights, SubgraphsSeeTheValuesAroundThem) {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  *graph.add_initializer() = counting_tensor("outer", {2, 2});
  *graph.add_initializer() = counting_tensor("hidden", {2, 2});
  auto& body = *add_attribute(add_node(graph, "If", {"c"}, "y"), "then_branch").mutable_g();
  *body.add_initializer() = counting_tensor("hidden", {2, 2});
  add_node(body, "MatMul", {"x", "outer"}, "a");
  add_node(body, "MatMul", {"x", "hidden"}, "b");
  EXPECT_EQ(weights_of(model), (Weights{{"outer", "1"}, {"y/then_branch/hidden", "1"}}));
}

TEST(OnnxWeights, CirclesEnd) {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  *graph.add_initializer() = counting_tensor("w", {2, 2});
  add_node(graph, "Identity", {"b"}, "a");
  add_node(graph, "Identity", {"a"}, "b");
  add_node(graph, "MatMul", {"x", "a"}, "y");
  EXPECT_EQ(weights_of(model), Weights{});
}

}  // namespace
}  // namespace narrow
