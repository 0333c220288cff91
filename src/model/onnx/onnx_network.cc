#include "model/onnx/onnx_network.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "checkpoint/onnx/onnx_message.h"
#include "model/onnx/import_onnx.h"
#include "narrow/error.h"
#include "onnx_model.pb.h"

namespace narrow {
namespace {

// Puts the values of the reader's tensors into a message that came without any.
class ValueFiller {
 public:
  explicit ValueFiller(const CheckpointReader& reader) : reader_(reader) {}

  void fill(onnx::GraphProto& graph) {
    for (onnx::TensorProto& tensor : *graph.mutable_initializer()) fill(tensor.name(), tensor);
    for (onnx::NodeProto& node : *graph.mutable_node()) {
      if (node.op_type() != "Constant" || node.output_size() == 0) continue;
      for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
        if (attribute.name() == "value" && attribute.has_t()) {
          fill(node.output(0), *attribute.mutable_t());
        }
      }
    }
  }

 private:
  void fill(const std::string& name, onnx::TensorProto& tensor) {
    const auto index = reader_.find(name);
    if (!index) return;
    const TensorInfo& info = reader_.tensors()[*index];
    // The importer refuses these when they are used.
    if (info.dtype == DType::kString || info.dtype == DType::kOpaque) return;
    const bool is_large = element_count(info.shape) > kMostElementsOfConstant;
    if (is_large && is_floating_point(info.dtype)) return;  // a weight, which is read when needed
    std::string values(take_room(info), '\0');
    reader_.read(*index, std::as_writable_bytes(std::span(values)));
    tensor.clear_float_data();
    tensor.clear_double_data();
    tensor.clear_int32_data();
    tensor.clear_int64_data();
    tensor.clear_uint64_data();
    tensor.clear_external_data();
    tensor.clear_data_location();
    tensor.set_raw_data(std::move(values));
  }

  std::uint64_t take_room(const TensorInfo& info) {
    const std::uint64_t bytes = info.byte_size();
    if (bytes > kMostConstantBytes - bytes_) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("the constants that are no weights take more than {} bytes with {}",
                              kMostConstantBytes, info.name));
    }
    bytes_ += bytes;
    return bytes;
  }

  const CheckpointReader& reader_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

bool is_onnx(const CheckpointReader& reader) {
  return reader.location().format == CheckpointFormat::kOnnx;
}

Graph onnx_network(const CheckpointReader& reader) {
  const std::filesystem::path& path = reader.location().path;
  onnx::ModelProto model = read_onnx_message(path, 0);
  try {
    ValueFiller(reader).fill(*model.mutable_graph());
    return import_onnx(model);
  } catch (const Error& error) {
    throw Error(error.category(), fmt::format("{}: {}", path.string(), error.what()),
                error.remedy());
  }
}

}  // namespace narrow
