// What the tests of ONNX files share: small models, made of the messages.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "checkpoint/testing/flat_checkpoint.h"
#include "narrow/checkpoint.h"
#include "onnx_model.pb.h"

namespace narrow {

// A model without nodes and tensors.
inline onnx::ModelProto empty_model() {
  onnx::ModelProto model;
  model.set_ir_version(10);
  model.set_producer_name("test");
  model.mutable_graph()->set_name("graph");
  model.add_opset_import()->set_version(21);
  return model;
}

// Values as the bytes of raw_data.
template <typename T>
std::string raw(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

inline onnx::TensorProto tensor_message(const std::string& name, int type,
                                        const std::vector<std::int64_t>& dims,
                                        const std::string& raw_data) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (const std::int64_t dim : dims) tensor.add_dims(dim);
  tensor.set_raw_data(raw_data);
  return tensor;
}

// Floats 1, 2, 3, ... of this shape.
inline onnx::TensorProto counting_tensor(const std::string& name,
                                         const std::vector<std::int64_t>& dims) {
  std::int64_t count = 1;
  for (const std::int64_t dim : dims) count *= dim;
  std::string values;
  for (std::int64_t i = 1; i <= count; ++i) values += raw<float>({static_cast<float>(i)});
  return tensor_message(name, onnx::TensorProto::FLOAT, dims, values);
}

inline void set_external(onnx::TensorProto& tensor,
                         const std::vector<std::pair<std::string, std::string>>& entries) {
  tensor.clear_raw_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  for (const auto& [key, value] : entries) {
    auto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
}

inline onnx::NodeProto& add_node(onnx::GraphProto& graph, const std::string& op_type,
                                 const std::vector<std::string>& inputs,
                                 const std::string& output) {
  onnx::NodeProto& node = *graph.add_node();
  node.set_op_type(op_type);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

inline onnx::AttributeProto& add_attribute(onnx::NodeProto& node, const std::string& name) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  return attribute;
}

inline void put_model(const std::filesystem::path& path, const onnx::ModelProto& model) {
  put_file(path, model.SerializeAsString());
}

// Copies `from` to `to` as its variant, with values changed by `change` (name, values), which also
// gets strings; in pieces of `piece_bytes`.
template <typename Change>
void rewrite(const std::filesystem::path& from, const std::filesystem::path& to,
             std::size_t piece_bytes, Change change) {
  const auto reader = open_checkpoint(from);
  const auto writer =
      create_checkpoint_like(*reader, {CheckpointFormat::kOnnx, to}, Overwrite::kYes);
  for (const TensorInfo& info : reader->tensors()) writer->add(info);
  for (std::size_t i = 0; i < reader->tensors().size(); ++i) {
    const TensorInfo& info = reader->tensors()[i];
    if (info.dtype == DType::kString) {
      auto strings = reader->read_strings(i);
      for (std::string& text : strings) change(info.name, text);
      writer->write_strings(strings);
      continue;
    }
    std::string values(info.byte_size(), '\0');
    reader->read(i, std::as_writable_bytes(std::span(values)));
    change(info.name, values);
    for (std::size_t at = 0; at < values.size(); at += piece_bytes) {
      writer->write(as_byte_span(std::string_view(values).substr(at, piece_bytes)));
    }
  }
  writer->finish();
}

inline void copy_unchanged(const std::filesystem::path& from, const std::filesystem::path& to,
                           std::size_t piece_bytes = 5) {
  rewrite(from, to, piece_bytes, [](const std::string&, const std::string&) {});
}

}  // namespace narrow
