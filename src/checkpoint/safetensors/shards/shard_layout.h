// Which tensor of a checkpoint in several files lies in which.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/safetensors/shards/shard_index.h"
#include "narrow/tensor.h"

namespace narrow {

// The file of each tensor, by its position in `files`; it never falls.
struct ShardLayout {
  std::vector<std::string> files;
  std::vector<std::size_t> file_of;
};

// That of `source`, as far as its files have any of `tensors`; nothing where a name is not in
// `source` or the order is not that of its files.
std::optional<ShardLayout> shard_layout_like(const ShardIndex& source,
                                             const std::vector<TensorInfo>& tensors);

// Files NAME-00001-of-0000N.safetensors of at most 5 GB, one filled after the other; a larger
// tensor has one of its own.
ShardLayout new_shard_layout(const std::string& name, const std::vector<TensorInfo>& tensors);

// A checkpoint in several files that is to be written beside its index.
struct ShardTarget {
  std::filesystem::path path;    // of the index
  std::filesystem::path source;  // the index of what this is a variant of, or empty
  std::map<std::string, std::string> index_members;  // see ShardIndex, from the source
  std::vector<TensorInfo> tensors;
  ShardLayout layout;

  // The files, and last the index: whoever finds it finds what it names.
  [[nodiscard]] std::vector<std::string> names() const;
  // The index, to a new file at `to`. Throws Error(kIo).
  void write_index(const std::filesystem::path& to) const;
};

// Throws Error(kUsage) for a path that is no name for an index.
void require_shard_index_name(const std::filesystem::path& path);
// The files are those of the source where that is possible. Throws Error: kUsage when one of them
// would replace a file of the source, kUnsupported for a tensor that the format does not hold.
ShardTarget lay_out_shards(const std::filesystem::path& path, const std::filesystem::path& source,
                           std::vector<TensorInfo> tensors);

}  // namespace narrow
