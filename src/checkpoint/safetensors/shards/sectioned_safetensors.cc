#include <utility>

#include "checkpoint/container/sectioned_checkpoint.h"
#include "checkpoint/container/single_file_output.h"
#include "checkpoint/safetensors/safetensors_header.h"
#include "checkpoint/safetensors/safetensors_places.h"
#include "checkpoint/safetensors/shards/shard_layout.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// Consecutive tensors that share a file.
struct PlacedFile {
  std::size_t first = 0;
  SafetensorsPlaces places;
};

class SectionedSafetensors : public SectionedCheckpoint {
 public:
  // `files`: the name of each; `file_of`: of each tensor.
  SectionedSafetensors(std::vector<std::string> files, std::vector<std::size_t> file_of,
                       const std::vector<TensorInfo>& tensors,
                       const std::map<std::string, std::string>& metadata)
      : files_(std::move(files)), file_of_(std::move(file_of)) {
    std::size_t last = 0;
    for (std::size_t file = 0; file < files_.size(); ++file) {
      const std::size_t first = last;
      while (last < tensors.size() && file_of_[last] == file) ++last;
      const std::vector<TensorInfo> own(tensors.begin() + static_cast<std::ptrdiff_t>(first),
                                        tensors.begin() + static_cast<std::ptrdiff_t>(last));
      placed_.push_back({first, safetensors_places(own, metadata)});
    }
  }

  [[nodiscard]] std::vector<std::string> names() const override { return files_; }
  [[nodiscard]] std::size_t file_of(std::size_t tensor) const override {
    return file_of_.at(tensor);
  }
  [[nodiscard]] std::unique_ptr<SectionWriter> write(const fs::path& path, std::size_t first,
                                                     std::size_t last) const override {
    std::vector<std::uint64_t> begins;
    for (std::size_t i = first; i < last; ++i) {
      const PlacedFile& file = placed_[file_of_[i]];
      begins.push_back(file.places.begins[i - file.first]);
    }
    return std::make_unique<SectionWriter>(path, std::move(begins));
  }
  void complete(const PathOf& path_of,
                std::span<const std::uint32_t> /*checksums*/) const override {
    for (std::size_t i = 0; i < files_.size(); ++i) {
      complete_safetensors(path_of(files_[i]), placed_[i].places);
    }
  }

 private:
  std::vector<std::string> files_;
  std::vector<std::size_t> file_of_;
  std::vector<PlacedFile> placed_;
};

class SectionedShards final : public SectionedSafetensors {
 public:
  SectionedShards(ShardTarget target, const std::map<std::string, std::string>& metadata)
      : SectionedSafetensors(target.layout.files, target.layout.file_of, target.tensors, metadata),
        target_(std::move(target)) {}

  [[nodiscard]] std::vector<std::string> names() const override { return target_.names(); }
  void complete(const PathOf& path_of, std::span<const std::uint32_t> checksums) const override {
    SectionedSafetensors::complete(path_of, checksums);
    target_.write_index(path_of(target_.path.filename().string()));
  }

 private:
  ShardTarget target_;
};

}  // namespace

std::unique_ptr<SectionedCheckpoint> section_safetensors(
    const fs::path& path, std::vector<TensorInfo> tensors,
    const std::map<std::string, std::string>& metadata) {
  for (const TensorInfo& info : tensors) require_safetensors_tensor(info);
  return std::make_unique<SectionedSafetensors>(std::vector{single_file_name(path)},
                                                std::vector<std::size_t>(tensors.size()), tensors,
                                                metadata);
}

std::unique_ptr<SectionedCheckpoint> section_shards(
    const fs::path& path, const fs::path& source, std::vector<TensorInfo> tensors,
    const std::map<std::string, std::string>& metadata) {
  return std::make_unique<SectionedShards>(lay_out_shards(path, source, std::move(tensors)),
                                           metadata);
}

}  // namespace narrow
