#include "narrow/dequantized_weights.h"

#include <gmock/gmock.h>

#include <cstring>

#include "base/testing/temporary_directory.h"
#include "checkpoint/onnx/testing/onnx_models.h"

namespace narrow {
namespace {

using testing::ElementsAre;

class DequantizedWeights : public TemporaryDirectoryTest {
 protected:
  std::unique_ptr<CheckpointReader> open(const onnx::ModelProto& model) {
    put_model(directory() / "m.onnx", model);
    return see_dequantized(open_checkpoint(directory() / "m.onnx"));
  }
  // What the weights of codes_model() are computed from.
  DType type_to_run(const onnx::ModelProto& model) {
    put_model(directory() / "m.onnx", model);
    const auto reader = see_as_computed(open_checkpoint(directory() / "m.onnx"));
    return reader->tensors()[reader->find("w").value()].dtype;
  }
};

std::vector<float> values_of(const CheckpointReader& reader, const std::string& name) {
  const std::size_t index = reader.find(name).value();
  std::vector<float> values(element_count(reader.tensors()[index].shape));
  reader.read(index, std::as_writable_bytes(std::span(values)));
  return values;
}

onnx::TensorProto floats(const std::string& name, const std::vector<std::int64_t>& dims,
                         std::initializer_list<float> values) {
  return tensor_message(name, onnx::TensorProto::FLOAT, dims, raw(values));
}

// Weights that are codes in a product of floating point.
onnx::ModelProto codes_model() {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  *graph.add_initializer() =
      tensor_message("w", onnx::TensorProto::INT8, {2, 2}, raw<std::int8_t>({1, -2, 3, -128}));
  *graph.add_initializer() = floats("s", {}, {0.5F});
  add_node(graph, "DequantizeLinear", {"w", "s"}, "v");
  add_node(graph, "MatMul", {"x", "v"}, "y");
  return model;
}

// Integers are computed with the codes themselves.
TEST_F(DequantizedWeights, StayCodesToRunWhereValuesAreQuantized) {
  auto model = codes_model();
  EXPECT_EQ(type_to_run(model), DType::kFloat32);
  add_node(*model.mutable_graph(), "QuantizeLinear", {"y", "s"}, "z");
  EXPECT_EQ(type_to_run(model), DType::kInt8);
}

TEST_F(DequantizedWeights, ChannelsHaveTheirScalesAndZeroPoints) {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  *graph.add_initializer() =
      tensor_message("w", onnx::TensorProto::INT8, {2, 2}, raw<std::int8_t>({1, -2, 3, -128}));
  *graph.add_initializer() = floats("s", {2}, {0.5F, 2});
  *graph.add_initializer() =
      tensor_message("z", onnx::TensorProto::INT8, {2}, raw<std::int8_t>({1, -1}));
  auto& node = add_node(graph, "DequantizeLinear", {"w", "s", "z"}, "v");
  add_attribute(node, "axis").set_i(0);
  add_node(graph, "MatMul", {"x", "v"}, "y");
  const auto reader = open(model);
  const TensorInfo& info = reader->tensors()[reader->find("w").value()];
  EXPECT_EQ(info.dtype, DType::kFloat32);
  EXPECT_EQ(info.stored_as, "INT8");
  EXPECT_EQ(info.channel_axis, 1);
  EXPECT_THAT(values_of(*reader, "w"), ElementsAre(0, -1.5F, 8, -254));
  EXPECT_EQ(reader->tensors()[reader->find("z").value()].dtype, DType::kInt8);
}

// Networks that compute with codes need those of their weights.
TEST_F(DequantizedWeights, StayCodesWhereTheNetworkMakesCodes) {
  for (const char* const type : {"QuantizeLinear", "QLinearMatMul", "QGemm"}) {
    auto model = codes_model();
    EXPECT_EQ(type_to_run(model), DType::kFloat32);
    add_node(*model.mutable_graph(), type, {"y", "s"}, "z");
    EXPECT_EQ(type_to_run(model), DType::kInt8) << type;
  }
}

TEST_F(DequantizedWeights, BlocksOfFourBitsAreUnpacked) {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  *graph.add_initializer() =
      tensor_message("w", onnx::TensorProto::INT4, {1, 5}, std::string("\x21\xF3\x08", 3));
  *graph.add_initializer() = floats("s", {1, 3}, {1, 10, 100});
  auto& cast = add_node(graph, "Cast", {"w"}, "wide");
  add_attribute(cast, "to").set_i(onnx::TensorProto::INT8);
  auto& node = add_node(graph, "DequantizeLinear", {"wide", "s"}, "v");
  add_attribute(node, "axis").set_i(1);
  add_attribute(node, "block_size").set_i(2);
  const auto reader = open(model);
  EXPECT_THAT(values_of(*reader, "w"), ElementsAre(1, 2, 30, -10, -800));
  // In pieces that are no whole values.
  const auto stream = reader->open(reader->find("w").value());
  std::vector<float> values(5);
  const auto bytes = std::as_writable_bytes(std::span(values));
  for (std::size_t i = 0; i < bytes.size(); i += 10) stream->read(bytes.subspan(i, 10));
  EXPECT_THAT(values, ElementsAre(1, 2, 30, -10, -800));
}

TEST_F(DequantizedWeights, ACastAndAProductAreTheSame) {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  *graph.add_initializer() =
      tensor_message("w", onnx::TensorProto::UINT8, {2, 2}, raw<std::uint8_t>({1, 2, 3, 255}));
  *graph.add_initializer() = floats("s", {2}, {0.5F, 2});
  auto& cast = add_node(graph, "Cast", {"w"}, "real");
  add_attribute(cast, "to").set_i(onnx::TensorProto::FLOAT);
  add_node(graph, "Mul", {"s", "real"}, "v");
  const auto reader = open(model);
  EXPECT_THAT(values_of(*reader, "w"), ElementsAre(0.5F, 4, 1.5F, 510));
}

TEST_F(DequantizedWeights, CodesThatAnythingElseReadsStayCodes) {
  auto model = empty_model();
  auto& graph = *model.mutable_graph();
  *graph.add_initializer() =
      tensor_message("w", onnx::TensorProto::INT8, {2}, raw<std::int8_t>({1, 2}));
  *graph.add_initializer() =
      tensor_message("u", onnx::TensorProto::INT8, {2}, raw<std::int8_t>({1, 2}));
  *graph.add_initializer() = floats("s", {}, {0.5F});
  *graph.add_initializer() = floats("three", {3}, {1, 2, 3});
  add_node(graph, "DequantizeLinear", {"w", "s"}, "v");
  add_node(graph, "Identity", {"w"}, "same");
  add_node(graph, "DequantizeLinear", {"u", "three"}, "odd");
  const auto reader = open(model);
  for (const char* const name : {"w", "u"}) {
    EXPECT_EQ(reader->tensors()[reader->find(name).value()].dtype, DType::kInt8) << name;
  }
}

}  // namespace
}  // namespace narrow
