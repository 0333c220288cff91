// A network of two nodes as an ONNX file: h = x [[1, 2], [3, 4]], y = Relu(h) or another operator.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "base/testing/temporary_directory.h"
#include "checkpoint/onnx/testing/onnx_models.h"
#include "narrow/error.h"
#include "narrow/run_network.h"

namespace narrow {

struct SmallOnnx {
  std::int64_t batch = 0;  // 0: free, called N
  std::string last = "Relu";
  std::int64_t axis = -1;  // of a Softmax
  bool half = false;       // float16
  float first_weight = 1;  // in place of 1
};

template <typename T>
std::vector<std::byte> bytes_of(std::initializer_list<T> values) {
  const auto* const begin = reinterpret_cast<const std::byte*>(values.begin());
  return {begin, begin + values.size() * sizeof(T)};
}

inline NamedArray floats(const std::string& name, const Shape& shape,
                         const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {{name, DType::kFloat32, shape}, {bytes.begin(), bytes.end()}};
}

inline onnx::ModelProto small_onnx(const SmallOnnx& network) {
  onnx::ModelProto model = empty_model();
  onnx::GraphProto& graph = *model.mutable_graph();
  const int type = network.half ? onnx::TensorProto::FLOAT16 : onnx::TensorProto::FLOAT;
  for (onnx::ValueInfoProto* value : {graph.add_input(), graph.add_output()}) {
    value->set_name(value == &graph.input(0) ? "x" : "y");
    auto& tensor = *value->mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    auto& batch = *tensor.mutable_shape()->add_dim();
    if (network.batch > 0) {
      batch.set_dim_value(network.batch);
    } else {
      batch.set_dim_param("N");
    }
    tensor.mutable_shape()->add_dim()->set_dim_value(2);
  }
  *graph.add_initializer() =
      network.half
          ? tensor_message("w", type, {2, 2}, raw<std::uint16_t>({0x3c00, 0x4000, 0x4200, 0x4400}))
          : tensor_message("w", type, {2, 2}, raw<float>({network.first_weight, 2, 3, 4}));
  add_node(graph, "MatMul", {"x", "w"}, "h").set_name("product");
  onnx::NodeProto& last = add_node(graph, network.last, {"h"}, "y");
  last.set_name("last");
  if (network.last == "Softmax") {
    onnx::AttributeProto& axis = add_attribute(last, "axis");
    axis.set_type(onnx::AttributeProto::INT);
    axis.set_i(network.axis);
  }
  return model;
}

class SmallOnnxTest : public TemporaryDirectoryTest {
 protected:
  std::unique_ptr<CheckpointReader> open(const SmallOnnx& network) {
    const std::filesystem::path path = directory() / (std::to_string(++count_) + ".onnx");
    put_model(path, small_onnx(network));
    return open_checkpoint(path);
  }

 private:
  int count_ = 0;
};

}  // namespace narrow
