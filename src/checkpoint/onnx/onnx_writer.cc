// Writing an ONNX file as a variant of another: its bytes, but for the values of tensors.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "base/staging/staged_output.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/onnx/external_output.h"
#include "checkpoint/onnx/new_onnx_file.h"
#include "checkpoint/onnx/number_stream.h"
#include "checkpoint/onnx/onnx_copy.h"
#include "checkpoint/onnx/onnx_properties.h"
#include "checkpoint/onnx/onnx_result.h"
#include "checkpoint/onnx/onnx_source.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

bool has_external_data(const OnnxSource& source) {
  return std::ranges::any_of(source.layout().tensors, [](const OnnxTensor& tensor) {
    return tensor.storage == OnnxStorage::kExternal;
  });
}

// Files of the source are not replaced but by a result in the place of all of it.
void check_result(const OnnxSource& source, const fs::path& path) {
  std::error_code error;
  if (fs::equivalent(path, source.file().path(), error)) return;
  for (const fs::path& target : {path, path.parent_path() / onnx_data_name(path.filename())}) {
    for (const InputFile& file : source.external_files()) {
      if (!fs::equivalent(target, file.path(), error)) continue;
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} cannot be written: {} has values of the model {}", path.string(),
                              target.string(), source.file().path().string()));
    }
  }
}

class OnnxWriter final : public CheckpointWriter {
 public:
  OnnxWriter(const fs::path& source, const CheckpointLocation& location, Overwrite overwrite)
      : source_(source),
        name_(location.path.filename().string()),
        staged_(location.path.parent_path(),
                onnx_result_names(location.path, has_external_data(source_)), overwrite) {
    check_result(source_, location.path);
    file_.emplace(staged_.staging_path(name_));
    if (has_external_data(source_)) {
      const std::string data_name = onnx_data_name(name_);
      external_.emplace(source_, staged_.staging_path(data_name), data_name);
    }
    const std::vector<OnnxTensor>& tensors = source_.layout().tensors;
    for (std::size_t i = 0; i < tensors.size(); ++i) indices_.emplace(tensors[i].info.name, i);
  }

  void set_metadata(const std::map<std::string, std::string>& metadata) override {
    metadata_ = metadata;
  }
  void add(const TensorInfo& info) override;
  void write(std::span<const std::byte> values) override;
  void write_strings(std::span<const std::string> values) override;
  void finish() override;

 private:
  // Values of a tensor that have been written into the file.
  struct Written {
    std::size_t tensor = 0;
    FileRange place;
  };

  [[nodiscard]] const OnnxTensor& tensor(std::size_t index) const {
    return source_.layout().tensors[index];
  }
  void start();
  void skip_empty();
  const OnnxTensor& begin_tensor(std::uint64_t count, const char* what);
  void end_tensor();
  void put(std::span<const std::byte> bytes);
  void write_anew();
  [[nodiscard]] std::vector<OnnxEdit> all_edits(std::vector<OnnxGrowth> growths) const;

  OnnxSource source_;
  std::string name_;
  StagedOutput staged_;
  std::optional<OutputFile> file_;
  std::optional<ExternalOutput> external_;
  std::optional<OnnxProperties> metadata_;
  std::unordered_map<std::string_view, std::size_t> indices_;  // of tensors by name
  std::vector<std::size_t> added_;
  std::size_t current_ = 0;        // of added_
  std::uint64_t bytes_given_ = 0;  // of that tensor's values
  std::optional<NumberEncoder> encoder_;
  std::vector<std::byte> encoded_;
  std::vector<Written> written_;
  std::optional<OnnxCopy> copy_;
};

void OnnxWriter::add(const TensorInfo& info) {
  if (copy_) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("tensor '{}' was added after values had been written; add every tensor "
                            "first",
                            info.name));
  }
  const auto found = indices_.find(info.name);
  if (found == indices_.end()) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("tensor '{}' cannot be written: the model {} has none of that name",
                            info.name, source_.file().path().string()),
                {Remedy::Kind::kOtherFormat, "safetensors, tf or npz"});
  }
  const TensorInfo& known = tensor(found->second).info;
  if (!known.same_tensor(info)) {
    throw Error(
        ErrorCategory::kUnsupported,
        fmt::format("tensor '{}' cannot be written as {} {}: in the model {} it is {} {}",
                    info.name, info.type_name(), to_string(info.shape),
                    source_.file().path().string(), known.type_name(), to_string(known.shape)),
        {Remedy::Kind::kOtherFormat, "safetensors, tf or npz"});
  }
  if (!added_.empty() && added_.back() >= found->second) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("tensor '{}' was added twice, or not in the order of the model", info.name));
  }
  added_.push_back(found->second);
}

std::vector<OnnxEdit> OnnxWriter::all_edits(std::vector<OnnxGrowth> growths) const {
  std::vector<OnnxEdit> edits;
  if (external_) edits = external_->edits();
  if (metadata_) {
    for (OnnxEdit& edit : edit_properties(source_.layout(), *metadata_)) {
      edits.push_back(std::move(edit));
    }
  }
  for (const OnnxEdit& edit : edits) growths.push_back({edit.message, edit.growth()});
  for (OnnxEdit& edit : edit_lengths(source_.layout(), growths)) edits.push_back(std::move(edit));
  std::int64_t size = static_cast<std::int64_t>(source_.file().size());
  for (const OnnxGrowth& growth : growths) size += growth.bytes;
  if (size >= static_cast<std::int64_t>(kMostOnnxBytes)) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} would have {} bytes, but an ONNX file has less than {}; with its "
                            "values in a file beside it a model may be larger",
                            name_, size, kMostOnnxBytes));
  }
  return edits;
}

// The first pass takes every value to be as long in the file as it was.
void OnnxWriter::start() {
  if (copy_) return;
  file_->reserve(source_.file().size());
  copy_.emplace(source_.file(), all_edits({}),
                [this](std::span<const std::byte> bytes) { file_->write(bytes); });
}

void OnnxWriter::skip_empty() {
  const auto is_empty = [this](std::size_t index) {
    return tensor(index).stored_bytes == 0 && tensor(index).storage != OnnxStorage::kStrings;
  };
  while (current_ < added_.size() && is_empty(added_[current_])) ++current_;
}

// The tensor that `count` more bytes or strings belong to.
const OnnxTensor& OnnxWriter::begin_tensor(std::uint64_t count, const char* what) {
  start();
  skip_empty();
  if (current_ == added_.size()) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("{} {} were written after the last tensor had all its values", count, what));
  }
  const OnnxTensor& tensor = this->tensor(added_[current_]);
  const bool has_strings = tensor.storage == OnnxStorage::kStrings;
  const std::uint64_t left =
      has_strings ? element_count(tensor.info.shape) : tensor.stored_bytes - bytes_given_;
  const bool wants_strings = std::string_view(what) == "strings";
  if (has_strings != wants_strings || count > left || (has_strings && count != left)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} {} were written to tensor '{}', which lacks {} {}", count, what,
                            tensor.info.name, left, has_strings ? "strings" : "bytes"));
  }
  if (tensor.storage != OnnxStorage::kExternal && bytes_given_ == 0) {
    copy_->copy_to(tensor.values.begin);
    written_.push_back({added_[current_], {file_->bytes_written(), file_->bytes_written()}});
  }
  return tensor;
}

void OnnxWriter::put(std::span<const std::byte> bytes) {
  file_->write(bytes);
  written_.back().place.end += bytes.size();
}

void OnnxWriter::end_tensor() {
  const OnnxTensor& done = tensor(added_[current_]);
  if (done.storage != OnnxStorage::kExternal) copy_->skip_to(done.values.end);
  encoder_.reset();
  bytes_given_ = 0;
  ++current_;
}

void OnnxWriter::write(std::span<const std::byte> values) {
  if (values.empty()) return;
  const OnnxTensor& tensor = begin_tensor(values.size(), "bytes");
  switch (tensor.storage) {
    case OnnxStorage::kExternal:
      external_->write_at(added_[current_], bytes_given_, values);
      break;
    case OnnxStorage::kVarints:
    case OnnxStorage::kFixed:
      if (!encoder_) encoder_.emplace(source_.file(), tensor);
      encoded_.clear();
      encoder_->encode(values, encoded_);
      put(encoded_);
      break;
    default:
      put(values);
  }
  bytes_given_ += values.size();
  if (bytes_given_ == tensor.stored_bytes) end_tensor();
}

void OnnxWriter::write_strings(std::span<const std::string> values) {
  if (values.empty()) return;
  const OnnxTensor& tensor = begin_tensor(values.size(), "strings");
  put(encode_onnx_strings(source_.file(), tensor, values));
  end_tensor();
}

// Values take more or less bytes than before, so that lengths in front of them are others.
void OnnxWriter::write_anew() {
  std::vector<OnnxGrowth> growths;
  for (const Written& written : written_) {
    const OnnxTensor& tensor = this->tensor(written.tensor);
    const auto growth = static_cast<std::int64_t>(written.place.size()) -
                        static_cast<std::int64_t>(tensor.values.size());
    if (growth != 0) growths.push_back({tensor.message, growth});
  }
  if (growths.empty()) return;
  const fs::path path = staged_.staging_path(name_);
  const InputFile first(path);
  fs::remove(path);
  file_.emplace(path);
  const auto sink = [this](std::span<const std::byte> bytes) { file_->write(bytes); };
  OnnxCopy copy(source_.file(), all_edits(std::move(growths)), sink);
  std::vector<std::byte> buffer;
  for (const Written& written : written_) {
    const FileRange& values = tensor(written.tensor).values;
    copy.copy_to(values.begin);
    copy_range(first, written.place, buffer, sink);
    copy.skip_to(values.end);
  }
  copy.finish();
  file_->finish();
}

void OnnxWriter::finish() {
  start();
  skip_empty();
  if (current_ < added_.size()) {
    const OnnxTensor& missing = tensor(added_[current_]);
    throw Error(ErrorCategory::kUsage,
                fmt::format("tensor '{}' has {} of its {} bytes; write all values before finish",
                            missing.info.name, bytes_given_, missing.stored_bytes));
  }
  copy_->finish();
  file_->finish();
  write_anew();
  if (external_) {
    for (std::size_t i = 0; i < source_.layout().tensors.size(); ++i) {
      const bool is_kept = !std::ranges::binary_search(added_, i);
      if (is_kept && tensor(i).storage == OnnxStorage::kExternal) external_->copy(i);
    }
    external_->finish();
  }
  staged_.commit();
}

}  // namespace

std::unique_ptr<CheckpointWriter> create_onnx_like(const std::filesystem::path& source,
                                                   const CheckpointLocation& location,
                                                   Overwrite overwrite) {
  return std::make_unique<OnnxWriter>(source, location, overwrite);
}

}  // namespace narrow
