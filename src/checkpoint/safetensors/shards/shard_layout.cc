#include "checkpoint/safetensors/shards/shard_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "checkpoint/safetensors/safetensors_header.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// What huggingface_hub's split_torch_state_dict_into_shards takes unless it is told another.
constexpr std::uint64_t kMaxShardBytes = 5'000'000'000;

namespace fs = std::filesystem;

// Whatever may be replaced, the input may not.
void require_other_files(const ShardTarget& target) {
  for (const std::string& file : target.layout.files) {
    std::error_code error;
    const fs::path original = target.source.parent_path() / file;
    if (target.source.empty() ||
        !fs::equivalent(target.path.parent_path() / file, original, error)) {
      continue;
    }
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} would replace {}, a file of the input; choose another directory",
                            target.path.string(), original.string()));
  }
}

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

std::vector<std::string> ShardTarget::names() const {
  std::vector<std::string> names = layout.files;
  names.push_back(path.filename().string());
  return names;
}

void ShardTarget::write_index(const fs::path& to) const {
  ShardIndex index{layout.files, {}, index_members};
  std::uint64_t total_bytes = 0;
  for (std::size_t i = 0; i < layout.file_of.size(); ++i) {
    index.file_of.emplace(tensors[i].name, layout.file_of[i]);
    total_bytes += tensors[i].byte_size();
  }
  OutputFile file(to);
  file.write(build_shard_index(index, total_bytes));
  file.finish();
}

void require_shard_index_name(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error) && path.filename().string().ends_with(kShardIndexSuffix)) {
    return;
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} is no name for an index of safetensors files; it has to end in {}",
                          path.string(), kShardIndexSuffix));
}

ShardTarget lay_out_shards(const fs::path& path, const fs::path& source,
                           std::vector<TensorInfo> tensors) {
  require_shard_index_name(path);
  for (const TensorInfo& info : tensors) require_safetensors_tensor(info);
  ShardTarget target{path, source, {}, std::move(tensors), {}};
  std::optional<ShardLayout> same;
  if (!source.empty()) {
    ShardIndex index = read_shard_index(source);
    same = shard_layout_like(index, target.tensors);
    target.index_members = std::move(index.members);
  }
  std::string name = path.filename().string();
  name.resize(name.size() - kShardIndexSuffix.size());
  target.layout = same ? std::move(*same) : new_shard_layout(name, target.tensors);
  require_other_files(target);
  return target;
}

}  // namespace narrow
