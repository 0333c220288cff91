// Test support: ONNX models put together node by node, to be imported.
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "graph/graph.h"
#include "model/onnx/import_onnx.h"
#include "narrow/error.h"
#include "onnx_model.pb.h"

namespace narrow {

// A model with one input x [N, 2, 4] of type float32.
class OnnxModel {
 public:
  explicit OnnxModel(std::int64_t opset) {
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

  onnx::NodeProto& node(const std::string& op_type, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs) {
    onnx::NodeProto& node = *model_.mutable_graph()->add_node();
    fill(node, op_type, inputs, outputs);
    return node;
  }

  static void fill(onnx::NodeProto& node, const std::string& op_type,
                   const std::vector<std::string>& inputs,
                   const std::vector<std::string>& outputs) {
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

inline void set_integers(onnx::NodeProto& node, const std::string& name,
                         const std::vector<std::int64_t>& values) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const std::int64_t value : values) attribute.add_ints(value);
}

inline void set_real(onnx::NodeProto& node, const std::string& name, float value) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
}

// twice(a; alpha) = LeakyRelu(LeakyRelu(a))
inline void add_twice(OnnxModel& model) {
  onnx::FunctionProto& function = *model.message().add_functions();
  function.set_name("twice");
  function.set_domain("mine");
  function.add_input("a");
  function.add_output("b");
  function.add_opset_import()->set_version(13);
  OnnxModel::fill(*function.add_node(), "LeakyRelu", {"a"}, {"inner"});
  OnnxModel::fill(*function.add_node(), "LeakyRelu", {"inner"}, {"b"});
  for (onnx::NodeProto& node : *function.mutable_node()) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name("alpha");
    attribute.set_ref_attr_name("slope");
  }
}

// A branch that applies `op_type` to a value around it.
inline void add_branch(onnx::NodeProto& node, const std::string& name, const std::string& op_type,
                       const std::vector<std::string>& inputs) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::GRAPH);
  onnx::GraphProto& graph = *attribute.mutable_g();
  OnnxModel::fill(*graph.add_node(), op_type, inputs, {"result"});
  graph.add_output()->set_name("result");
}

}  // namespace narrow
