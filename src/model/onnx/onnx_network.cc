#include "model/onnx/onnx_network.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>

#include "checkpoint/onnx/dequantized_values.h"
#include "checkpoint/onnx/onnx_message.h"
#include "model/onnx/import_onnx.h"
#include "model/onnx/onnx_elements.h"
#include "narrow/error.h"
#include "onnx_model.pb.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

// Puts the values of the reader's tensors into a message that came without any.
class ValueFiller {
 public:
  explicit ValueFiller(const CheckpointReader& reader) : reader_(reader) {
    std::uint64_t bytes = 0;
    for (const TensorInfo& info : reader.tensors()) {
      if (is_integer(info.dtype)) bytes += info.byte_size();
    }
    leaves_integers_ = bytes > kMostConstantBytes;
  }

  // `prefix` stands before the names of tensors; empty for the main graph, whose large tensors of
  // floating-point types stay in the file. Nodes come before initializers, as in every file that
  // protobuf writes: it is the order in which names that are there twice got their numbers.
  void fill(onnx::GraphProto& graph, const std::string& prefix = "") {
    for (onnx::NodeProto& node : *graph.mutable_node()) {
      const bool is_constant = node.op_type() == "Constant" && node.output_size() > 0;
      const std::string& owner =
          node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
      for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
        if (is_constant && attribute.name() == "value" && attribute.has_t()) {
          fill(prefix, node.output(0), *attribute.mutable_t());
        } else if (attribute.has_g()) {
          fill(*attribute.mutable_g(), fmt::format("{}{}/{}/", prefix, owner, attribute.name()));
        }
      }
    }
    for (onnx::TensorProto& tensor : *graph.mutable_initializer()) {
      fill(prefix, tensor.name(), tensor);
    }
  }

 private:
  void fill(const std::string& prefix, const std::string& name, onnx::TensorProto& tensor) {
    const auto index = reader_.find(unique_name(prefix + name));
    if (!index) return;
    const TensorInfo& info = reader_.tensors()[*index];
    // The importer refuses these when they are used.
    const bool is_small = small_type_of_onnx(tensor.data_type()) != SmallType::kNone;
    if (info.dtype == DType::kString || (info.dtype == DType::kOpaque && !is_small)) return;
    const bool is_dequantized = info.dtype == DType::kFloat32 && !info.stored_as.empty();
    if (is_dequantized) tensor.set_data_type(onnx::TensorProto::FLOAT);  // codes, dequantized
    // A weight, which is read when needed.
    if (prefix.empty() && stays_in_file(info)) {
      clear_values(tensor);
      return;
    }
    std::string values(take_room(info), '\0');
    reader_.read(*index, std::as_writable_bytes(std::span(values)));
    clear_values(tensor);
    tensor.set_raw_data(std::move(values));
  }

  // Large tensors of real numbers; of integers, which are tables of words or codes rather than
  // weights, only where all of them are too many to be held.
  [[nodiscard]] bool stays_in_file(const TensorInfo& info) const {
    if (is_floating_point(info.dtype)) return element_count(info.shape) > kMostElementsOfConstant;
    return leaves_integers_ && is_integer(info.dtype) && info.byte_size() > kMostBytesOfIntegers;
  }

  static void clear_values(onnx::TensorProto& tensor) {
    tensor.clear_raw_data();
    tensor.clear_float_data();
    tensor.clear_double_data();
    tensor.clear_int32_data();
    tensor.clear_int64_data();
    tensor.clear_uint64_data();
    tensor.clear_external_data();
    tensor.clear_data_location();
  }

  // As the file's tensors are named: docs/onnx.md.
  std::string unique_name(const std::string& name) {
    std::string unique = name;
    while (!names_.insert(unique).second) {
      int& count = wanted_.try_emplace(name, 1).first->second;
      unique = fmt::format("{}#{}", name, ++count);
    }
    return unique;
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

  static constexpr std::uint64_t kMostBytesOfIntegers = std::uint64_t{1} << 20;

  const CheckpointReader& reader_;
  bool leaves_integers_ = false;
  std::uint64_t bytes_ = 0;
  std::set<std::string> names_;
  std::map<std::string, int> wanted_;  // how often, of names that were taken
};

// Nodes that make numbers of codes pass the reader's numbers on.
void read_dequantized(const CheckpointReader& reader, onnx::GraphProto& graph) {
  const std::map<std::string, std::string> values = dequantized_values(reader);
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    const auto found = node.output_size() > 0 ? values.find(node.output(0)) : values.end();
    if (found == values.end()) continue;
    node.set_op_type("Identity");
    node.clear_input();
    node.add_input(found->second);
    node.clear_attribute();
  }
}

}  // namespace

bool is_onnx(const CheckpointReader& reader) {
  return reader.location().format == CheckpointFormat::kOnnx;
}

Graph onnx_network(const CheckpointReader& reader) {
  const std::filesystem::path& path = reader.location().path;
  onnx::ModelProto model = read_onnx_message(path, 0);
  try {
    ValueFiller(reader).fill(*model.mutable_graph());
    read_dequantized(reader, *model.mutable_graph());
    return import_onnx(model);
  } catch (const Error& error) {
    throw Error(error.category(), fmt::format("{}: {}", path.string(), error.what()),
                error.remedy());
  }
}

}  // namespace narrow
