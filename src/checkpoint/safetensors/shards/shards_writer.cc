// Writing safetensors in several files, one after the other, and their index. Which tensor goes
// into which file follows from the tensors, so that files are made with the first value.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/staging/staged_output.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/container/write_order.h"
#include "checkpoint/safetensors/safetensors_header.h"
#include "checkpoint/safetensors/shards/shard_layout.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

class ShardsWriter final : public CheckpointWriter {
 public:
  // `source`: the index of what this is a variant of.
  ShardsWriter(fs::path path, Overwrite overwrite, const fs::path& source = {})
      : path_(std::move(path)), overwrite_(overwrite), source_(source) {
    std::error_code error;
    require_shard_index_name(path_);
    if (overwrite == Overwrite::kNo && fs::exists(fs::symlink_status(path_, error))) {
      throw Error(ErrorCategory::kExists, fmt::format("{} exists already", path_.string()),
                  {Remedy::Kind::kOverwrite});
    }
  }

  void set_metadata(const std::map<std::string, std::string>& metadata) override {
    metadata_ = metadata;
  }

  void add(const TensorInfo& info) override {
    require_safetensors_tensor(info);
    order_.add(info);
  }

  void write(std::span<const std::byte> values) override {
    if (values.empty()) return;
    const std::size_t tensor = order_.take(values.size());
    begin_once();
    begin_files_until(target_.layout.file_of[tensor]);
    file_->write(values);
  }

  void finish() override {
    order_.check_complete();
    begin_once();
    begin_files_until(target_.layout.files.size());
    target_.write_index(staged_->staging_path(path_.filename().string()));
    staged_->commit();
  }

 private:
  void begin_once() {
    if (staged_) return;
    target_ = lay_out_shards(path_, source_, order_.tensors());
    staged_.emplace(path_.parent_path(), target_.names(), overwrite_);
  }

  // Completes the files before number `last` and begins that.
  void begin_files_until(std::size_t last) {
    while (files_begun_ <= last) {
      if (file_) file_->finish();
      file_.reset();
      if (files_begun_ == target_.layout.files.size()) return;
      std::vector<TensorInfo> tensors;
      std::uint64_t bytes = 0;
      while (next_tensor_ < target_.layout.file_of.size() &&
             target_.layout.file_of[next_tensor_] == files_begun_) {
        tensors.push_back(order_.tensors()[next_tensor_++]);
        bytes += tensors.back().byte_size();
      }
      file_.emplace(staged_->staging_path(target_.layout.files[files_begun_++]));
      const std::string header = build_safetensors_header(tensors, metadata_);
      file_->reserve(header.size() + bytes);
      file_->write(header);
    }
  }

  fs::path path_;
  Overwrite overwrite_;
  fs::path source_;
  std::map<std::string, std::string> metadata_;
  WriteOrder order_;
  ShardTarget target_;
  std::optional<StagedOutput> staged_;
  std::optional<OutputFile> file_;
  std::size_t files_begun_ = 0;
  std::size_t next_tensor_ = 0;
};

}  // namespace

std::unique_ptr<CheckpointWriter> create_safetensors_shards(const CheckpointLocation& location,
                                                            Overwrite overwrite) {
  return std::make_unique<ShardsWriter>(location.path, overwrite);
}

std::unique_ptr<CheckpointWriter> create_safetensors_shards_like(const fs::path& source,
                                                                 const CheckpointLocation& location,
                                                                 Overwrite overwrite) {
  return std::make_unique<ShardsWriter>(location.path, overwrite, source);
}

}  // namespace narrow
