// Writing safetensors in several files, one after the other, and their index. Which tensor goes
// into which file follows from the tensors, so that files are made with the first value.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/staging/staged_output.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/container/write_order.h"
#include "checkpoint/safetensors/safetensors_header.h"
#include "checkpoint/safetensors/shards/shard_index.h"
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
    if (!source.empty()) source_index_ = read_shard_index(source);
    std::error_code error;
    if (fs::is_directory(path_, error) || !path_.filename().string().ends_with(kShardIndexSuffix)) {
      throw Error(
          ErrorCategory::kUsage,
          fmt::format("{} is no name for an index of safetensors files; it has to end in {}",
                      path_.string(), kShardIndexSuffix));
    }
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
    begin_files_until(layout_.file_of[tensor]);
    file_->write(values);
  }

  void finish() override {
    order_.check_complete();
    begin_once();
    begin_files_until(layout_.files.size());
    OutputFile index(staged_->staging_path(path_.filename().string()));
    index.write(index_text());
    index.finish();
    staged_->commit();
  }

 private:
  void begin_once() {
    if (staged_) return;
    if (auto same = shard_layout_like(source_index_, order_.tensors()); !source_.empty() && same) {
      layout_ = std::move(*same);
    } else {
      std::string name = path_.filename().string();
      name.resize(name.size() - kShardIndexSuffix.size());
      layout_ = new_shard_layout(name, order_.tensors());
    }
    require_other_files();
    // The index last: whoever finds it finds what it names.
    std::vector<std::string> names = layout_.files;
    names.push_back(path_.filename().string());
    staged_.emplace(path_.parent_path(), std::move(names), overwrite_);
  }

  // Whatever may be replaced, the input may not.
  void require_other_files() const {
    for (const std::string& file : layout_.files) {
      std::error_code error;
      if (source_.empty() ||
          !fs::equivalent(path_.parent_path() / file, source_.parent_path() / file, error)) {
        continue;
      }
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} would replace {}, a file of the input; choose another directory",
                              path_.string(), (source_.parent_path() / file).string()));
    }
  }

  // Completes the files before number `last` and begins that.
  void begin_files_until(std::size_t last) {
    while (files_begun_ <= last) {
      if (file_) file_->finish();
      file_.reset();
      if (files_begun_ == layout_.files.size()) return;
      std::vector<TensorInfo> tensors;
      std::uint64_t bytes = 0;
      while (next_tensor_ < layout_.file_of.size() &&
             layout_.file_of[next_tensor_] == files_begun_) {
        tensors.push_back(order_.tensors()[next_tensor_++]);
        bytes += tensors.back().byte_size();
      }
      file_.emplace(staged_->staging_path(layout_.files[files_begun_++]));
      const std::string header = build_safetensors_header(tensors, metadata_);
      file_->reserve(header.size() + bytes);
      file_->write(header);
    }
  }

  [[nodiscard]] std::string index_text() const {
    ShardIndex index{layout_.files, {}, source_index_.members};
    std::uint64_t total_bytes = 0;
    for (std::size_t i = 0; i < layout_.file_of.size(); ++i) {
      index.file_of.emplace(order_.tensors()[i].name, layout_.file_of[i]);
      total_bytes += order_.tensors()[i].byte_size();
    }
    return build_shard_index(index, total_bytes);
  }

  fs::path path_;
  Overwrite overwrite_;
  fs::path source_;
  ShardIndex source_index_;
  std::map<std::string, std::string> metadata_;
  WriteOrder order_;
  ShardLayout layout_;
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
