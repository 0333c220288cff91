// TensorFlow V1 checkpoints in several files: PREFIX-SSSSS-of-NNNNN, as
// tf.train.Saver(sharded=True, write_version=V1) writes them, from 00000 on.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

namespace narrow {

struct V1Shards {
  std::filesystem::path prefix;
  int count = 1;

  [[nodiscard]] std::filesystem::path file(int shard) const;
  // PREFIX-?????-of-NNNNN, by which TensorFlow's state files name them.
  [[nodiscard]] std::filesystem::path pattern() const;
};

// The files that `path` means by its name alone: one of them, or their pattern.
std::optional<V1Shards> parse_v1_shards(const std::filesystem::path& path);

// The files that `path` means by what lies in its directory: their prefix or the pattern
// PREFIX-?????-of-?????. Throws Error(kUsage) where there are several checkpoints of that prefix.
std::optional<V1Shards> find_v1_shards(const std::filesystem::path& path);

// The path of a location for `shards`: their prefix, or their pattern where the prefix means
// something else.
std::filesystem::path v1_location_path(const V1Shards& shards);

// The files of the V1 checkpoint at such a path: itself, or the shards in order. Throws
// Error(kNotFound) for a shard that is missing, and what find_v1_shards throws.
std::vector<std::filesystem::path> v1_checkpoint_files(const std::filesystem::path& path);

}  // namespace narrow
