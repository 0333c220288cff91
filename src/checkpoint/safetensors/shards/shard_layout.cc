#include "checkpoint/safetensors/shards/shard_layout.h"

#include <fmt/format.h>

#include <algorithm>

namespace narrow {
namespace {

// What huggingface_hub's split_torch_state_dict_into_shards takes unless it is told another.
constexpr std::uint64_t kMaxShardBytes = 5'000'000'000;

}  // namespace

std::optional<ShardLayout> shard_layout_like(const ShardIndex& source,
                                             const std::vector<TensorInfo>& tensors) {
  ShardLayout layout;
  std::optional<std::size_t> last;
  for (const TensorInfo& info : tensors) {
    const auto found = source.file_of.find(info.name);
    if (found == source.file_of.end() || (last && found->second < *last)) return std::nullopt;
    if (last != found->second) layout.files.push_back(source.files[found->second]);
    last = found->second;
    layout.file_of.push_back(layout.files.size() - 1);
  }
  return layout;
}

ShardLayout new_shard_layout(const std::string& name, const std::vector<TensorInfo>& tensors) {
  ShardLayout layout;
  std::uint64_t bytes = 0;
  for (const TensorInfo& info : tensors) {
    const bool is_full =
        bytes > 0 && info.byte_size() > kMaxShardBytes - std::min(bytes, kMaxShardBytes);
    if (layout.files.empty() || is_full) {
      layout.files.emplace_back();
      bytes = 0;
    }
    bytes += info.byte_size();
    layout.file_of.push_back(layout.files.size() - 1);
  }
  for (std::size_t i = 0; i < layout.files.size(); ++i) {
    layout.files[i] =
        fmt::format("{}-{:05}-of-{:05}.safetensors", name, i + 1, layout.files.size());
  }
  return layout;
}

}  // namespace narrow
