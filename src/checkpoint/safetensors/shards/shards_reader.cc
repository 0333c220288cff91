// Reading safetensors in several files: the index and every header at once, values where they lie.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/special_file.h"
#include "base/staging/interrupted_results.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/safetensors/safetensors_sax.h"
#include "checkpoint/safetensors/shards/shard_index.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<CheckpointReader> open_shard(const fs::path& path, const fs::path& index) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    throw Error(ErrorCategory::kNotFound, fmt::format("the file {}, which the index {} names, is "
                                                      "not there: fetch or write it again",
                                                      path.string(), index.string()));
  }
  // Opening a pipe would wait for whoever writes into it.
  if (const auto kind = special_kind(path)) {
    throw Error(ErrorCategory::kUnsupported, fmt::format("{}, which the index {} names, is {}",
                                                         path.string(), index.string(), *kind));
  }
  return open_safetensors({CheckpointFormat::kSafetensors, path});
}

class ShardsReader final : public CheckpointReader {
 public:
  explicit ShardsReader(const CheckpointLocation& location) : location_(location) {
    const fs::path directory = location.path.parent_path();
    settle_results(directory.empty() ? "." : directory, {}, Leftovers::kFinish);
    index_ = read_shard_index(location.path);
    if (!index_.files.empty()) {
      // By this file the writer is known; while it is locked, index and files belong together.
      const auto lock = lock_for_reading(directory, index_.files.front(), {});
      index_ = read_shard_index(location.path);
      for (const std::string& file : index_.files) add_shard(directory / file);
    }
    check_all_found();
    index_ = {};
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override { return metadata_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    const auto [shard, position] = places_.at(index);
    return shards_[shard]->open(position);
  }

 private:
  void add_shard(const fs::path& path) {
    const std::size_t number = shards_.size();
    const CheckpointReader& shard = *shards_.emplace_back(open_shard(path, location_.path));
    for (std::size_t i = 0; i < shard.tensors().size(); ++i) {
      const TensorInfo& info = shard.tensors()[i];
      const auto found = index_.file_of.find(info.name);
      if (found == index_.file_of.end() || found->second != number) {
        throw Error(
            ErrorCategory::kCorrupt,
            fmt::format("{} holds tensor {}, which the index {} {}: the files do not belong "
                        "together; fetch or write them again",
                        path.string(), excerpt(info.name), location_.path.string(),
                        found == index_.file_of.end()
                            ? "does not name"
                            : "looks for in " + index_.files[found->second]));
      }
      tensors_.push_back(info);
      places_.emplace_back(number, i);
    }
    metadata_.merge(shard.metadata());  // of the first file that has the key
  }

  // Every tensor that was found is in the index, so that a number tells of those that were not.
  void check_all_found() const {
    if (tensors_.size() == index_.file_of.size()) return;
    for (const auto& [name, file] : index_.file_of) {
      if (shards_[file]->find(name)) continue;
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("the index {} looks for tensor {} in {}, which does not hold it: the "
                              "files do not belong together; fetch or write them again",
                              location_.path.string(), excerpt(name), index_.files[file]));
    }
  }

  CheckpointLocation location_;
  ShardIndex index_;  // while it is opened
  std::vector<std::unique_ptr<CheckpointReader>> shards_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::pair<std::size_t, std::size_t>> places_;  // shard and position in it
  std::map<std::string, std::string> metadata_;
};

}  // namespace

bool looks_like_shard_index(const InputFile& file) {
  constexpr std::uint64_t kLooked = std::uint64_t{1} << 16;
  std::string start(std::min<std::uint64_t>(file.size(), 1), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(start)));
  if (start != "{") return false;
  start.resize(std::min(file.size(), kLooked));
  file.read_at(0, std::as_writable_bytes(std::span(start)));
  return start.find("\"weight_map\"") != std::string::npos &&
         start.find(".safetensors\"") != std::string::npos;
}

std::unique_ptr<CheckpointReader> open_safetensors_shards(const CheckpointLocation& location) {
  if (is_input_stream(location.path)) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} gives the index of a checkpoint in several files, which lie beside "
                            "it: it cannot come out of a pipe; name the file",
                            location.path.string()));
  }
  return std::make_unique<ShardsReader>(location);
}

}  // namespace narrow
