// Quant nodes, written and read.
#include "model/onnx/qonnx_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>

#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "graph/operators.h"
#include "model/onnx/export_onnx.h"
#include "model/onnx/import_onnx.h"
#include "model/onnx/onnx_elements.h"
#include "narrow/error.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

using testing::HasSubstr;

Constant integers(DType type, Shape shape, const std::vector<std::int64_t>& values) {
  return {type, std::move(shape), encode_integers(type, values)};
}

// x in 5 bits with a zero point, times weights of 3 bits by output channel, plus biases.
Graph quantized_gemm() {
  GraphBuilder builder("small");
  const ValueId x = builder.input("x", {2, 3});
  const ValueId scale = builder.constant("x_scale", make_scalar(DType::kFloat32, 0.25));
  const ValueId zero = builder.constant("x_zero", integers(DType::kUInt8, {}, {6}));
  const ValueId least = builder.constant("least", make_scalar(DType::kFloat32, -1.5));
  const ValueId greatest = builder.constant("greatest", make_scalar(DType::kFloat32, 6.25));
  const ValueId bounded = builder.add("x_bounded", op::Clip{}, {x, least, greatest});
  const ValueId codes =
      builder.add("x_codes", op::QuantizeLinear{DType::kUInt8}, {bounded, scale, zero});
  const ValueId numbers = builder.add("x_numbers", op::DequantizeLinear{}, {codes, scale, zero});
  const ValueId w =
      builder.constant("w_codes", integers(DType::kInt8, {3, 2}, {-3, 2, 1, 0, 3, -2}));
  const ValueId w_scale =
      builder.constant("w_scale", make_constant(std::vector<double>{0.5, 0.125}));
  const ValueId weights = builder.add("w", op::DequantizeLinear{1}, {w, w_scale});
  const ValueId b = builder.constant("b_codes", integers(DType::kInt32, {2}, {7, -9}));
  const ValueId b_scale =
      builder.constant("b_scale", make_constant(std::vector<double>{0.125, 0.03125}));
  const ValueId biases = builder.add("b", op::DequantizeLinear{0}, {b, b_scale});
  return builder.finish({builder.add("y", op::Gemm{}, {numbers, weights, biases})});
}

const onnx::NodeProto& node_named(const onnx::ModelProto& model, std::string_view name) {
  for (const onnx::NodeProto& node : model.graph().node()) {
    if (node.name() == name) return node;
  }
  throw std::out_of_range("no such node");
}

double number_of(const onnx::ModelProto& model, const std::string& name) {
  for (const onnx::TensorProto& tensor : model.graph().initializer()) {
    float value = 0;
    if (tensor.name() != name) continue;
    std::copy_n(tensor.raw_data().data(), sizeof(value), reinterpret_cast<char*>(&value));
    return static_cast<double>(value);
  }
  throw std::out_of_range("no such tensor");
}

std::int64_t flag_of(const onnx::NodeProto& node, std::string_view name) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() == name) return attribute.i();
  }
  return -1;
}

TEST(Qonnx, CodesBecomeNumbersAndWidths) {
  const onnx::ModelProto model = to_qonnx(export_onnx(quantized_gemm()));
  std::vector<std::string> operators;
  for (const onnx::NodeProto& node : model.graph().node()) operators.push_back(node.op_type());
  EXPECT_THAT(operators, testing::UnorderedElementsAre("Quant", "Quant", "Gemm"));
  const onnx::NodeProto& x = node_named(model, "x_numbers");
  EXPECT_EQ(x.domain(), kQonnxDomain);
  EXPECT_EQ(x.input(0), "x");
  EXPECT_EQ(number_of(model, x.input(1)), 0.25);
  EXPECT_EQ(number_of(model, x.input(2)), 6);
  EXPECT_EQ(number_of(model, x.input(3)), 5);
  EXPECT_EQ(flag_of(x, "signed"), 0);
  const onnx::NodeProto& w = node_named(model, "w");
  EXPECT_EQ(w.input(0), "w_2");  // w is what Quant makes
  EXPECT_EQ(number_of(model, w.input(0)), -1.5);
  EXPECT_EQ(number_of(model, w.input(3)), 3);
  EXPECT_EQ(flag_of(w, "signed"), 1);
  EXPECT_EQ(flag_of(w, "narrow"), 1);
  EXPECT_EQ(model.opset_import(1).domain(), kQonnxDomain);
}

TEST(Qonnx, QuantIsReadAsThePair) {
  const Graph graph = import_onnx(to_qonnx(export_onnx(quantized_gemm())));
  std::vector<std::string> operators;
  for (const Node& node : graph.nodes) operators.emplace_back(operator_of(node).name);
  EXPECT_EQ(std::ranges::count(operators, "QuantizeLinear"), 2);
  EXPECT_EQ(std::ranges::count(operators, "DequantizeLinear"), 2);
  EXPECT_EQ(std::ranges::count(operators, "Clip"), 2);  // 5 bits of x, 3 of the weights
}

TEST(Qonnx, WhatOnlyBranchesReadStays) {
  const auto branch = [] {
    GraphBuilder builder("branch");
    const ValueId x = builder.input("x", {2, 3});
    return std::make_shared<const Graph>(builder.finish({builder.add("y", op::Relu{}, {x})}));
  };
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {2, 3});
  const ValueId scale = builder.constant("scale", make_scalar(DType::kFloat32, 0.25));
  const ValueId codes = builder.add("codes", op::QuantizeLinear{DType::kUInt8}, {x, scale});
  const ValueId numbers = builder.add("numbers", op::DequantizeLinear{}, {codes, scale});
  const ValueId condition = builder.constant("condition", {DType::kBool, {}, {std::byte{1}}});
  const onnx::ModelProto model = to_qonnx(export_onnx(
      builder.finish({builder.add("if", op::If{branch(), branch()}, {condition, numbers})})));
  std::vector<std::string> operators;
  for (const onnx::NodeProto& node : model.graph().node()) operators.push_back(node.op_type());
  EXPECT_THAT(operators, testing::ElementsAre("Quant", "If"));
}

TEST(Qonnx, PairsWithinBranchesBecomeQuant) {
  const auto branch = [] {
    GraphBuilder builder("branch");
    const ValueId x = builder.input("inner_x", {2, 3});
    const ValueId scale = builder.constant("inner_scale", make_scalar(DType::kFloat32, 0.25));
    const ValueId codes = builder.add("inner_codes", op::QuantizeLinear{DType::kInt8}, {x, scale});
    return std::make_shared<const Graph>(
        builder.finish({builder.add("y", op::DequantizeLinear{}, {codes, scale})}));
  };
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {2, 3});
  const ValueId condition = builder.constant("condition", {DType::kBool, {}, {std::byte{1}}});
  const onnx::ModelProto model = to_qonnx(
      export_onnx(builder.finish({builder.add("if", op::If{branch(), branch()}, {condition, x})})));
  const onnx::NodeProto& node = node_named(model, "if");
  ASSERT_EQ(node.attribute_size(), 2);
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    std::vector<std::string> operators;
    for (const onnx::NodeProto& inner : attribute.g().node()) operators.push_back(inner.op_type());
    EXPECT_THAT(operators, testing::Contains("Quant"));
    EXPECT_THAT(operators, testing::Not(testing::Contains("DequantizeLinear")));
    EXPECT_EQ(attribute.g().initializer_size(), 3);  // scale, zero point and width
  }
}

TEST(Qonnx, OtherRoundingsAndWidthsAreRefused) {
  const auto refusal = [](const std::function<void(onnx::NodeProto&, onnx::GraphProto&)>& change) {
    onnx::ModelProto model = to_qonnx(export_onnx(quantized_gemm()));
    onnx::GraphProto& graph = *model.mutable_graph();
    for (onnx::NodeProto& node : *graph.mutable_node()) {
      if (node.name() == "x_numbers") change(node, graph);
    }
    try {
      import_onnx(model);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refusal([](onnx::NodeProto& node, onnx::GraphProto&) {
                for (auto& attribute : *node.mutable_attribute()) {
                  if (attribute.name() == "rounding_mode") attribute.set_s("floor");
                }
              }),
              HasSubstr("its rounding mode is FLOOR"));
  EXPECT_THAT(
      refusal([](onnx::NodeProto& node, onnx::GraphProto&) { node.set_input(3, node.input(1)); }),
      HasSubstr("its bit width is 0.25"));
  EXPECT_THAT(
      refusal([](onnx::NodeProto& node, onnx::GraphProto&) { node.set_input(2, node.input(1)); }),
      HasSubstr("its zero point is no integer"));
  EXPECT_THAT(refusal([](onnx::NodeProto& node, onnx::GraphProto&) { node.set_op_type("Trunc"); }),
              HasSubstr("Trunc of the domain qonnx.custom_op.general"));
}

}  // namespace
}  // namespace narrow
