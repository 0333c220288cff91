#include <fmt/format.h>

#include <optional>
#include <unordered_set>
#include <utility>

#include "base/staging/staged_output.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/tensorflow/state_file.h"
#include "checkpoint/tensorflow/string_values.h"
#include "checkpoint/tensorflow/v2_index.h"
#include "checkpoint/tensorflow/v2_index_writer.h"
#include "checkpoint/tensorflow/value_checksum.h"
#include "narrow/error.h"

namespace narrow {
namespace {

std::filesystem::path parent_directory(const std::filesystem::path& prefix) {
  return prefix.has_parent_path() ? prefix.parent_path() : std::filesystem::path(".");
}

bool is_empty(const TensorInfo& info) {
  if (info.dtype == DType::kOpaque) return info.byte_size() == 0;
  return element_count(info.shape) == 0;
}

class TensorFlowV2Writer final : public CheckpointWriter {
 public:
  TensorFlowV2Writer(const std::filesystem::path& prefix, Overwrite overwrite);

  void add(const TensorInfo& info) override;
  void write(std::span<const std::byte> values) override;
  void write_strings(std::span<const std::string> values) override;
  void finish() override;

 private:
  void reserve_room();
  V2Entry* current(const char* action);
  void complete_current();
  void skip_empty();
  void put_strings(std::span<const std::string> values);

  std::filesystem::path prefix_;
  std::string index_name_;
  std::string data_name_;
  StagedOutput staged_;
  OutputFile data_;
  std::vector<V2Entry> entries_;  // in the order added
  std::unordered_set<std::string> names_;
  std::size_t position_ = 0;  // the entry whose values come next
  std::uint64_t written_ = 0;
  std::optional<ValueChecksum> checksum_;  // of the values of that entry so far
  bool finished_ = false;
};

TensorFlowV2Writer::TensorFlowV2Writer(const std::filesystem::path& prefix, Overwrite overwrite)
    : prefix_(checked_v2_prefix(prefix)),
      index_name_(v2_index_path(prefix).filename()),
      data_name_(v2_data_path(prefix, 0, 1).filename()),
      // The index after the data and the state file last: whoever finds one finds what it names.
      staged_(parent_directory(prefix), {data_name_, index_name_}, overwrite,
              LateFile{.name = kStateFileName,
                       .note = prefix.filename().string(),
                       .content = state_file_text}),
      data_(staged_.staging_path(data_name_)) {}

void TensorFlowV2Writer::add(const TensorInfo& info) {
  if (position_ > 0 || written_ > 0) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("tensor '{}' was added after values were written", info.name));
  }
  require_v2_tensor(info);
  if (!names_.insert(info.name).second) {
    throw Error(ErrorCategory::kUsage, fmt::format("tensor '{}' was added twice", info.name));
  }
  V2Entry entry;
  entry.info = info;
  entry.byte_count = info.byte_size();
  element_count(info.shape);
  entries_.push_back(std::move(entry));
}

// For all values but strings, whose size is not known yet.
void TensorFlowV2Writer::reserve_room() {
  std::uint64_t bytes = 0;
  for (const V2Entry& entry : entries_) bytes += entry.byte_count;
  data_.reserve(bytes);
}

V2Entry* TensorFlowV2Writer::current(const char* action) {
  if (data_.bytes_written() == 0) reserve_room();
  skip_empty();
  if (position_ == entries_.size()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("cannot {}: every tensor that was added is complete", action));
  }
  return &entries_[position_];
}

void TensorFlowV2Writer::complete_current() {
  ++position_;
  written_ = 0;
  checksum_.reset();
}

void TensorFlowV2Writer::skip_empty() {
  while (position_ < entries_.size() && is_empty(entries_[position_].info)) {
    if (entries_[position_].info.dtype == DType::kString) {
      put_strings({});
    } else {
      entries_[position_].byte_offset = data_.bytes_written();
      complete_current();
    }
  }
}

void TensorFlowV2Writer::write(std::span<const std::byte> values) {
  if (values.empty()) return;
  V2Entry* entry = current("write values");
  if (entry->info.dtype == DType::kString || values.size() > entry->byte_count - written_) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} bytes were given for tensor '{}' ({} {}), which takes {} more",
                            values.size(), entry->info.name, entry->info.type_name(),
                            to_string(entry->info.shape), entry->byte_count - written_));
  }
  if (!checksum_) {
    entry->byte_offset = data_.bytes_written();
    checksum_.emplace(entry->info);
  }
  data_.write(values);
  checksum_->add(values);
  written_ += values.size();
  if (written_ < entry->byte_count) return;
  if (!checksum_->is_whole()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the bytes given for tensor '{}' are not of type {}", entry->info.name,
                            entry->info.type_name()));
  }
  entry->masked_crc = checksum_->masked();
  complete_current();
}

void TensorFlowV2Writer::write_strings(std::span<const std::string> values) {
  if (values.empty()) return;
  V2Entry* entry = current("write strings");
  if (entry->info.dtype != DType::kString || values.size() != element_count(entry->info.shape)) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("{} strings were given for tensor '{}', which is {} {}", values.size(),
                    entry->info.name, entry->info.type_name(), to_string(entry->info.shape)));
  }
  put_strings(values);
}

void TensorFlowV2Writer::put_strings(std::span<const std::string> values) {
  V2Entry& entry = entries_[position_];
  const EncodedStrings encoded = encode_strings(values);
  entry.byte_offset = data_.bytes_written();
  entry.byte_count = encoded.bytes.size();
  data_.write(encoded.bytes);
  complete_current();
  entry.masked_crc = encoded.masked_crc;
}

void TensorFlowV2Writer::finish() {
  skip_empty();
  if (finished_ || position_ < entries_.size()) {
    throw Error(ErrorCategory::kUsage,
                finished_ ? fmt::format("{} was finished twice", prefix_.string())
                          : fmt::format("{} cannot be finished: values of tensor '{}' are missing",
                                        prefix_.string(), entries_[position_].info.name));
  }
  finished_ = true;
  data_.finish();
  write_v2_index(staged_.staging_path(index_name_), std::move(entries_));
  staged_.commit();
}

}  // namespace

std::unique_ptr<CheckpointWriter> create_tensorflow_v2(const CheckpointLocation& location,
                                                       Overwrite overwrite) {
  return std::make_unique<TensorFlowV2Writer>(location.path, overwrite);
}

}  // namespace narrow
