// The index of a safetensors checkpoint in several files, NAME.safetensors.index.json: which file
// has which tensor. https://huggingface.co/docs/transformers/main/en/big_models, "Sharding
// checkpoints".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace narrow {

// As long as the longest header of a single file.
inline constexpr std::uint64_t kMaxShardIndexBytes = 100'000'000;
inline constexpr std::string_view kShardIndexSuffix = ".safetensors.index.json";

struct ShardIndex {
  std::vector<std::string> files;                   // plain names, ascending
  std::map<std::string, std::size_t> file_of;       // by the name of the tensor: position in files
  std::map<std::string, std::string> members = {};  // of `metadata`, as JSON, but total_size
};

// Parses {"metadata": {...}, "weight_map": {tensor: file, ...}}; other members are ignored. `path`
// is named in errors. Throws Error(kCorrupt): no such JSON, a name twice, a file that is no plain
// name (which would lead out of the directory).
ShardIndex parse_shard_index(std::string_view json, const std::string& path);

// The same of a file.
ShardIndex read_shard_index(const std::filesystem::path& path);

// The text that parse_shard_index takes, as transformers writes it: sorted, indented by 2.
// `total_bytes`: of all values. Throws Error(kUnsupported) for a name that is not UTF-8.
std::string build_shard_index(const ShardIndex& index, std::uint64_t total_bytes);

}  // namespace narrow
