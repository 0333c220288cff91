// A message may be written in parts: those of its fields that come later are merged. So the graph
// is cut before its first initializer without values, and after the last.
#include "checkpoint/onnx/new_onnx_file.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/file.h"
#include "base/staging/staged_output.h"
#include "checkpoint/onnx/number_stream.h"
#include "checkpoint/onnx/onnx_message.h"
#include "checkpoint/onnx/onnx_result.h"
#include "checkpoint/onnx/onnx_types.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kGraphField = 7;        // of ModelProto
constexpr std::uint32_t kInitializerField = 5;  // of GraphProto
constexpr std::uint64_t kAlignment = 4096;

// A tensor whose values come later.
struct Pending {
  TensorInfo info;
  std::uint64_t offset = 0;  // in the file of external data
};

TensorInfo info_of(const onnx::TensorProto& tensor) {
  TensorInfo info;
  info.name = tensor.name();
  const OnnxType* const type = find_onnx_type(tensor.data_type());
  if (type == nullptr || type->dtype == DType::kOpaque || type->dtype == DType::kString) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the values of {} of ONNX's type {} have to be in the description",
                            info.name, tensor.data_type()));
  }
  info.dtype = type->dtype;
  info.shape.assign(tensor.dims().begin(), tensor.dims().end());
  return info;
}

// A field of bytes up to its content.
std::vector<std::byte> field_head(std::uint32_t number, std::uint64_t size) {
  std::vector<std::byte> bytes;
  append_tag({number, WireKind::kBytes}, bytes);
  append_varint(size, bytes);
  return bytes;
}

void add_entry(onnx::TensorProto& tensor, const std::string& key, const std::string& value) {
  onnx::StringStringEntryProto& entry = *tensor.add_external_data();
  entry.set_key(key);
  entry.set_value(value);
}

// What lies in the file in order: bytes that are known, with tensors whose values come after some.
struct FilePart {
  std::string bytes;
  bool has_values = false;  // of the next tensor, behind the bytes
};

class NewOnnxFile final : public CheckpointWriter {
 public:
  NewOnnxFile(const onnx::ModelProto& model, const fs::path& path, Overwrite overwrite,
              std::uint64_t most_bytes)
      : name_(path.filename().string()) {
    for (const onnx::TensorProto& tensor : model.graph().initializer()) {
      if (lacks_values(tensor)) pending_.push_back({info_of(tensor), 0});
    }
    is_external_ = total_bytes(model) >= most_bytes;
    lay_out(model);
    if (is_external_ && total_bytes_ >= most_bytes) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{} would have {} bytes without the weights, but an ONNX file has "
                              "less than {}",
                              path.string(), total_bytes_, most_bytes));
    }
    staged_.emplace(path.parent_path(), onnx_result_names(path, is_external_), overwrite);
    file_.emplace(staged_->staging_path(name_));
    file_->reserve(total_bytes_);
    if (is_external_) data_.emplace(staged_->staging_path(onnx_data_name(name_)));
  }

  void add(const TensorInfo& info) override {
    if (added_ < pending_.size() && pending_[added_].info.same_tensor(info)) {
      ++added_;
      return;
    }
    throw Error(ErrorCategory::kUsage,
                fmt::format("tensor '{}' {} {} is not the next one that the network of {} lacks",
                            info.name, info.type_name(), to_string(info.shape), name_));
  }

  void write(std::span<const std::byte> values) override {
    if (values.empty()) return;
    const bool is_last_missing = current_ == pending_.size();
    const std::uint64_t left =
        is_last_missing ? 0 : pending_[current_].info.byte_size() - bytes_given_;
    if (values.size() > left) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} bytes were written where {} lacks {}", values.size(),
                              is_last_missing ? "no tensor" : pending_[current_].info.name, left));
    }
    if (is_external_) {
      data_->write_at(pending_[current_].offset + bytes_given_, values);
    } else {
      if (bytes_given_ == 0) write_known();
      file_->write(values);
    }
    bytes_given_ += values.size();
    if (bytes_given_ < pending_[current_].info.byte_size()) return;
    bytes_given_ = 0;
    ++current_;
  }

  void finish() override {
    if (current_ < pending_.size()) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("tensor '{}' has {} of its {} bytes; write all values before finish",
                              pending_[current_].info.name, bytes_given_,
                              pending_[current_].info.byte_size()));
    }
    write_known();
    file_->finish();
    if (data_) data_->finish();
    staged_->commit();
  }

 private:
  // Of the model with all values in it, at most.
  std::uint64_t total_bytes(const onnx::ModelProto& model) const {
    constexpr std::uint64_t kBytesOfLengths = 32;
    std::uint64_t bytes = model.ByteSizeLong() + 2 * kBytesOfLengths;
    for (const Pending& tensor : pending_) {
      if (!checked_add(bytes, tensor.info.byte_size() + kBytesOfLengths, &bytes)) return UINT64_MAX;
    }
    return bytes;
  }

  void lay_out(const onnx::ModelProto& model) {
    onnx::ModelProto before = model;
    before.clear_graph();
    onnx::ModelProto after = before;
    after.clear_ir_version();
    after.clear_producer_name();
    after.clear_producer_version();
    after.clear_domain();
    after.clear_model_version();
    after.clear_doc_string();
    before.clear_opset_import();
    before.clear_metadata_props();
    before.clear_functions();
    onnx::GraphProto begin;
    *begin.mutable_node() = model.graph().node();
    begin.set_name(model.graph().name());
    onnx::GraphProto end = model.graph();
    end.clear_node();
    end.clear_name();
    end.clear_initializer();

    std::vector<FilePart> graph;
    graph.push_back({begin.SerializeAsString(), false});
    std::size_t next = 0;
    for (const onnx::TensorProto& tensor : model.graph().initializer()) {
      if (lacks_values(tensor)) {
        graph.push_back(part_of(tensor, pending_[next]));
        ++next;
      } else {
        graph.push_back({framed(kInitializerField, tensor.SerializeAsString()), false});
      }
    }
    graph.push_back({end.SerializeAsString(), false});

    std::uint64_t graph_bytes = 0;
    next = 0;
    for (const FilePart& part : graph) {
      graph_bytes += part.bytes.size();
      if (part.has_values) graph_bytes += pending_[next++].info.byte_size();
    }
    parts_.push_back(
        {before.SerializeAsString() + text_of(field_head(kGraphField, graph_bytes)), false});
    for (FilePart& part : graph) parts_.push_back(std::move(part));
    parts_.push_back({after.SerializeAsString(), false});
    total_bytes_ = graph_bytes + parts_.front().bytes.size() + parts_.back().bytes.size();
  }

  // An initializer up to its values, which end it.
  FilePart part_of(const onnx::TensorProto& tensor, Pending& pending) {
    const std::uint64_t size = pending.info.byte_size();
    if (is_external_) {
      pending.offset = data_end_;
      data_end_ = (data_end_ + size + kAlignment - 1) / kAlignment * kAlignment;
      onnx::TensorProto message = tensor;
      add_entry(message, "location", onnx_data_name(name_));
      add_entry(message, "offset", std::to_string(pending.offset));
      add_entry(message, "length", std::to_string(size));
      message.set_data_location(onnx::TensorProto::EXTERNAL);
      return {framed(kInitializerField, message.SerializeAsString()), false};
    }
    const std::string head = tensor.SerializeAsString() +
                             text_of(field_head(static_cast<std::uint32_t>(OnnxField::kRaw), size));
    return {text_of(field_head(kInitializerField, head.size() + size)) + head, true};
  }

  static std::string text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  static std::string framed(std::uint32_t number, const std::string& content) {
    return text_of(field_head(number, content.size())) + content;
  }

  // Up to the values of the next tensor, or to the end.
  void write_known() {
    while (next_part_ < parts_.size()) {
      const FilePart& part = parts_[next_part_++];
      file_->write(std::string_view(part.bytes));
      if (part.has_values) return;
    }
  }

  std::string name_;
  std::vector<Pending> pending_;
  std::vector<FilePart> parts_;
  bool is_external_ = false;
  std::uint64_t data_end_ = 0;
  std::uint64_t total_bytes_ = 0;  // of the file itself
  std::optional<StagedOutput> staged_;
  std::optional<OutputFile> file_;
  std::optional<ScatteredOutputFile> data_;
  std::size_t added_ = 0;
  std::size_t current_ = 0;        // of pending_
  std::uint64_t bytes_given_ = 0;  // of its values
  std::size_t next_part_ = 0;
};

}  // namespace

std::unique_ptr<CheckpointWriter> create_onnx_file(const onnx::ModelProto& model,
                                                   const fs::path& path, Overwrite overwrite,
                                                   std::uint64_t most_bytes) {
  return std::make_unique<NewOnnxFile>(model, path, overwrite, most_bytes);
}

}  // namespace narrow
