// Test support: graphs of a few operators as ONNX files.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "checkpoint/onnx/testing/onnx_models.h"
#include "graph/graph.h"
#include "graph/operators.h"
#include "graph/shapes.h"
#include "graph/weight_source.h"

namespace narrow {

inline void set_integers(onnx::NodeProto& node, const std::string& name,
                         std::span<const std::int64_t> values) {
  onnx::AttributeProto& attribute = add_attribute(node, name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const std::int64_t value : values) attribute.add_ints(value);
}

// The window on an image of this many rows and columns.
inline void set_window(onnx::NodeProto& node, const Window& window, std::int64_t size) {
  const WindowPlaces places = window_places(window, 0, size);
  const std::int64_t before = std::max<std::int64_t>(places.before, 0);
  const std::int64_t after = std::max<std::int64_t>(places.after, 0);
  set_integers(node, "kernel_shape", window.kernel);
  set_integers(node, "strides", window.strides);
  set_integers(node, "pads", std::vector<std::int64_t>{before, before, after, after});
}

// As the operator has it: from [height, width, in, out] to [out, in, height, width].
inline std::string used_values(const Weight& weight, const WeightSource& source) {
  std::vector<float> values(element_count(weight.shape));
  source.read(weight.name, values);
  std::vector<float> used = values;
  if (weight.layout == WeightLayout::kHwio) {
    const auto out = static_cast<std::size_t>(weight.shape[3]);
    const std::size_t rest = values.size() / out;
    const auto in = static_cast<std::size_t>(weight.shape[2]);
    const std::size_t taps = rest / in;
    for (std::size_t tap = 0; tap < taps; ++tap) {
      for (std::size_t i = 0; i < in; ++i) {
        for (std::size_t o = 0; o < out; ++o) {
          used[(o * in + i) * taps + tap] = values[(tap * in + i) * out + o];
        }
      }
    }
  }
  return {reinterpret_cast<const char*>(used.data()), used.size() * sizeof(float)};
}

inline void add_value(onnx::ValueInfoProto& to, const Value& value) {
  to.set_name(value.name);
  auto& tensor = *to.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx::TensorProto::FLOAT);
  for (const Dimension& dimension : value.dimensions) {
    auto& size = *tensor.mutable_shape()->add_dim();
    if (dimension.is_free()) {
      size.set_dim_param(dimension.symbol);
    } else {
      size.set_dim_value(dimension.size);
    }
  }
}

// A graph of the operators of a ResNet V1, Softmax and Transpose, for images of size x size pixels.
inline onnx::ModelProto onnx_of_graph(const Graph& graph, const WeightSource& source, int size) {
  const ShapeTable shapes = infer_shapes(graph, size, size);
  onnx::ModelProto model = empty_model();
  onnx::GraphProto& to = *model.mutable_graph();
  to.set_name(graph.name);
  for (const ValueId id : graph.inputs) add_value(*to.add_input(), graph.value(id));
  for (const ValueId id : graph.outputs) to.add_output()->set_name(graph.value(id).name);
  for (const Weight& weight : graph.weights) {
    *to.add_initializer() = tensor_message(weight.name, onnx::TensorProto::FLOAT,
                                           weight.used_shape(), used_values(weight, source));
  }
  for (const Node& node : graph.nodes) {
    std::vector<std::string> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(graph.value(id).name);
    onnx::NodeProto& made =
        add_node(to, std::string(operator_of(node).name), inputs, graph.value(node.output()).name);
    made.set_name(node.name);
    if (const Window* const window = window_of(node)) {
      const Dimensions& x = shapes[static_cast<std::size_t>(node.inputs.front())];
      set_window(made, *window, x.at(2).size);
    }
    if (const auto* const conv = std::get_if<op::Conv>(&node.attributes)) {
      onnx::AttributeProto& group = add_attribute(made, "group");
      group.set_type(onnx::AttributeProto::INT);
      group.set_i(conv->group);
    }
    if (const auto* const norm = std::get_if<op::BatchNormalization>(&node.attributes)) {
      onnx::AttributeProto& epsilon = add_attribute(made, "epsilon");
      epsilon.set_type(onnx::AttributeProto::FLOAT);
      epsilon.set_f(static_cast<float>(norm->epsilon));
    }
    if (const auto* const transpose = std::get_if<op::Transpose>(&node.attributes)) {
      set_integers(made, "perm", transpose->order);
    }
  }
  return model;
}

}  // namespace narrow
