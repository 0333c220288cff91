// Which tensor of a checkpoint in several files lies in which.
#pragma once

#include <cstddef>
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

}  // namespace narrow
