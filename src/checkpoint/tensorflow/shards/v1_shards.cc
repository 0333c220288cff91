#include "checkpoint/tensorflow/shards/v1_shards.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAnyNumber = "?????";
constexpr std::string_view kOf = "-of-";
// "-00000-of-00002"
constexpr std::size_t kSuffixBytes = 1 + kAnyNumber.size() + kOf.size() + kAnyNumber.size();

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

bool is_number(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// The parts of PREFIX-SSSSS-of-NNNNN, where numbers may be question marks.
struct ShardName {
  std::string prefix;
  std::string shard;
  std::string count;
};

std::optional<ShardName> split_name(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name.size() <= kSuffixBytes) return std::nullopt;
  const std::string_view suffix = std::string_view(name).substr(name.size() - kSuffixBytes);
  const std::string shard(suffix.substr(1, kAnyNumber.size()));
  const std::string count(suffix.substr(kSuffixBytes - kAnyNumber.size()));
  const auto is_part = [](const std::string& text) {
    return text == kAnyNumber || is_number(text);
  };
  if (suffix.front() != '-' || suffix.substr(1 + shard.size(), kOf.size()) != kOf ||
      !is_part(shard) || !is_part(count)) {
    return std::nullopt;
  }
  return ShardName{name.substr(0, name.size() - kSuffixBytes), shard, count};
}

// How many files the checkpoints of this prefix have.
std::set<int> shard_counts(const fs::path& directory, const std::string& prefix) {
  std::set<int> counts;
  std::error_code error;
  const fs::path place = directory.empty() ? fs::path(".") : directory;
  for (fs::directory_iterator entry(place, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto shards = parse_v1_shards(entry->path());
    if (shards && shards->prefix.filename() == prefix) counts.insert(shards->count);
  }
  return counts;
}

}  // namespace

fs::path V1Shards::file(int shard) const {
  return prefix.parent_path() /
         fmt::format("{}-{:05}-of-{:05}", prefix.filename().string(), shard, count);
}

fs::path V1Shards::pattern() const {
  return prefix.parent_path() /
         fmt::format("{}-{}-of-{:05}", prefix.filename().string(), kAnyNumber, count);
}

std::optional<V1Shards> parse_v1_shards(const fs::path& path) {
  const auto name = split_name(path);
  if (!name || name->count == kAnyNumber) return std::nullopt;
  const int count = std::stoi(name->count);
  const bool is_shard = name->shard == kAnyNumber || std::stoi(name->shard) < count;
  if (count == 0 || !is_shard) return std::nullopt;
  return V1Shards{path.parent_path() / name->prefix, count};
}

std::optional<V1Shards> find_v1_shards(const fs::path& path) {
  const auto name = split_name(path);
  const bool is_pattern = name && name->count == kAnyNumber;
  const std::string prefix = is_pattern ? name->prefix : path.filename().string();
  const fs::path directory = path.parent_path();
  if (prefix.empty()) return std::nullopt;
  const std::set<int> counts = shard_counts(directory, prefix);
  if (counts.empty()) return std::nullopt;
  if (counts.size() > 1) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} may be a checkpoint in {} files; name one of the files",
                            (directory / prefix).string(), fmt::join(counts, " or in ")));
  }
  return V1Shards{directory / prefix, *counts.begin()};
}

fs::path v1_location_path(const V1Shards& shards) {
  const std::string prefix = shards.prefix.filename().string();
  const bool is_alone = !is_there(shards.prefix) &&
                        shard_counts(shards.prefix.parent_path(), prefix).size() == 1 &&
                        !parse_v1_shards(shards.prefix);
  return is_alone ? shards.prefix : shards.pattern();
}

std::vector<fs::path> v1_checkpoint_files(const fs::path& path) {
  auto shards = parse_v1_shards(path);
  if (!shards && !is_there(path)) shards = find_v1_shards(path);
  if (!shards) return {path};
  std::vector<fs::path> files;
  for (int i = 0; i < shards->count; ++i) {
    files.push_back(shards->file(i));
    if (is_there(files.back())) continue;
    throw Error(ErrorCategory::kNotFound,
                fmt::format("of the {} files of the TensorFlow V1 checkpoint {} one is missing: "
                            "put {} beside the others",
                            shards->count, shards->prefix.string(), files.back().string()));
  }
  return files;
}

}  // namespace narrow
