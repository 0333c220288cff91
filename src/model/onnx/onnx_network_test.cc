#include "model/onnx/onnx_network.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/testing/expected_error.h"
#include "base/testing/temporary_directory.h"
#include "checkpoint/onnx/testing/onnx_models.h"
#include "graph/weight_source.h"
#include "model/checkpoint_network.h"
#include "narrow/dequantized_weights.h"
#include "narrow/error.h"
#include "stream/quantized_reader.h"

namespace narrow {
namespace {

class OnnxNetwork : public TemporaryDirectoryTest {
 protected:
  // x [N, 4] times `kernel` [4, 2], transposed on the way, plus `bias`; then reshaped.
  static onnx::ModelProto model() {
    onnx::ModelProto model = empty_model();
    onnx::GraphProto& graph = *model.mutable_graph();
    onnx::ValueInfoProto& input = *graph.add_input();
    input.set_name("x");
    auto& type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    type.mutable_shape()->add_dim()->set_dim_param("N");
    type.mutable_shape()->add_dim()->set_dim_value(4);
    graph.add_output()->set_name("y");
    *graph.add_initializer() = counting_tensor("kernel", {2, 4});
    *graph.add_initializer() = counting_tensor("bias", {2});
    *graph.add_initializer() =
        tensor_message("shape", onnx::TensorProto::INT64, {2}, raw<std::int64_t>({-1, 2}));
    add_node(graph, "Transpose", {"kernel"}, "turned");
    add_node(graph, "MatMul", {"x", "turned"}, "product");
    add_node(graph, "Add", {"product", "bias"}, "sum");
    add_node(graph, "Reshape", {"sum", "shape"}, "y");
    return model;
  }

  std::unique_ptr<CheckpointReader> write(const onnx::ModelProto& model) {
    put_model(directory() / "m.onnx", model);
    return open_checkpoint(directory() / "m.onnx");
  }
};

std::vector<float> constant(const Graph& graph, const std::string& name) {
  for (const Value& value : graph.values) {
    if (value.name != name || value.constant < 0) continue;
    const Constant& found = graph.constants[static_cast<std::size_t>(value.constant)];
    std::vector<float> values(found.bytes.size() / sizeof(float));
    std::memcpy(values.data(), found.bytes.data(), found.bytes.size());
    return values;
  }
  return {};
}

TEST_F(OnnxNetwork, ConstantsHaveTheValuesOfTheReader) {
  const auto reader = write(model());
  ASSERT_TRUE(is_onnx(*reader));
  EXPECT_THAT(constant(onnx_network(*reader), "kernel"),
              testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  // The kernel is selected, and small enough to be a constant: what is computed from it beforehand
  // has to be computed from its restored values.
  const std::size_t kernel = *reader->find("kernel");
  EXPECT_EQ(reader->tensors()[kernel].use, TensorUse::kWeight);
  const Scheme scheme{.kind = SchemeKind::kBin, .bits = 1, .granularity = {}};
  const QuantizePlan plan = {{kernel, scheme}};
  const QuantizedReader quantized(*reader, plan, NonFinitePolicy::kError);
  std::vector<float> restored(8);
  quantized.read(kernel, std::as_writable_bytes(std::span(restored)));
  EXPECT_NE(restored[0], 1);
  const Graph graph = onnx_network(quantized);
  EXPECT_EQ(constant(graph, "kernel"), restored);
  EXPECT_THAT(constant(graph, "bias"), testing::ElementsAre(1, 2));
}

TEST_F(OnnxNetwork, ValuesInOtherFilesAreRead) {
  onnx::ModelProto external = model();
  std::string data;
  for (onnx::TensorProto& tensor : *external.mutable_graph()->mutable_initializer()) {
    const std::string values = tensor.raw_data();
    set_external(tensor, {{"location", "values"},
                          {"offset", std::to_string(data.size())},
                          {"length", std::to_string(values.size())}});
    data += values;
  }
  write_file(directory() / "values", data);
  const Graph found = onnx_network(*write(external));
  EXPECT_EQ(found, onnx_network(*write(model())));
}

TEST_F(OnnxNetwork, LargeTensorsStayWeights) {
  onnx::ModelProto large = model();
  *large.mutable_graph()->mutable_initializer(0) = counting_tensor("kernel", {512, 4});
  *large.mutable_graph()->mutable_initializer(1) = counting_tensor("bias", {512});
  const Graph graph = onnx_network(*write(large));
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0].name, "kernel");
  EXPECT_EQ(graph.weights[0].shape, (Shape{512, 4}));
}

// x times codes, which are cast and scaled: seen dequantized they are a weight of numbers.
TEST_F(OnnxNetwork, DequantizedCodesAreWeights) {
  for (const std::int64_t rows : {2, 400}) {
    onnx::ModelProto quantized = model();
    onnx::GraphProto& graph = *quantized.mutable_graph();
    graph.clear_node();
    *graph.mutable_initializer(0) =
        tensor_message("codes", onnx::TensorProto::INT8, {4, rows},
                       std::string(static_cast<std::size_t>(4 * rows), '\3'));
    *graph.add_initializer() = tensor_message("scale", onnx::TensorProto::FLOAT, {}, raw({0.5F}));
    auto& to = add_attribute(add_node(graph, "Cast", {"codes"}, "real"), "to");
    to.set_type(onnx::AttributeProto::INT);
    to.set_i(onnx::TensorProto::FLOAT);
    add_node(graph, "Mul", {"real", "scale"}, "kernel");
    add_node(graph, "MatMul", {"x", "kernel"}, "y");
    const auto reader = see_dequantized(write(quantized));
    const Graph found = onnx_network(*reader);
    ASSERT_EQ(found.nodes.size(), 2U);
    EXPECT_TRUE(std::holds_alternative<op::Identity>(found.nodes[0].attributes));
    if (rows == 2) {
      EXPECT_EQ(constant(found, "codes"), std::vector<float>(8, 1.5F));
      continue;
    }
    ASSERT_EQ(found.weights.size(), 1U);
    EXPECT_EQ(found.weights[0].name, "codes");
    EXPECT_EQ(found.weights[0].type, DType::kFloat32);
  }
}

// 66 MiB of codes that several nodes read are not held, but named.
TEST_F(OnnxNetwork, ManyIntegersStayInTheFile) {
  onnx::ModelProto large = model();
  onnx::GraphProto& graph = *large.mutable_graph();
  constexpr std::int64_t kRows = 66 << 8;
  *graph.add_initializer() = tensor_message("table", onnx::TensorProto::INT8, {kRows, 4096}, "");
  graph.mutable_initializer(3)->clear_raw_data();
  set_external(*graph.mutable_initializer(3), {{"location", "values"}});
  write_file(directory() / "values", "");
  std::filesystem::resize_file(directory() / "values", kRows * 4096);  // a hole
  add_node(graph, "Shape", {"table"}, "sizes");
  graph.add_output()->set_name("sizes");
  const auto reader = write(large);
  const Graph found = onnx_network(*reader);
  const auto weight = std::ranges::find(found.weights, "table", &Weight::name);
  ASSERT_NE(weight, found.weights.end());
  EXPECT_EQ(weight->type, DType::kInt8);
  EXPECT_NO_THROW(check_weights(found, CheckpointVariables(*reader, false)));
}

TEST_F(OnnxNetwork, SentencesNameTheFile) {
  onnx::ModelProto odd = model();
  add_node(*odd.mutable_graph(), "Quirk", {"y"}, "z").set_name("last");
  const auto reader = write(odd);
  EXPECT_THAT(error_message(ErrorCategory::kUnsupported, [&] { onnx_network(*reader); }),
              testing::AllOf(testing::HasSubstr("m.onnx: the node last is Quirk"),
                             testing::HasSubstr("which is not computed")));
}

}  // namespace
}  // namespace narrow
