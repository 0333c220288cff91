#include "data/shard_sets.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <optional>
#include <system_error>
#include <tuple>

#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFewestDigits = 5;
constexpr std::size_t kMostDigits = 9;

// A file's name, taken apart at its numbers.
struct ShardName {
  std::string before;  // all before the number of the shard
  std::string after;   // "-of-00002" and all that follows
  std::string stem;
  std::size_t digits = 0;  // of the number of the shard
  std::uint64_t shard = 0;
  std::uint64_t count = 0;

  [[nodiscard]] std::string with(std::string_view number) const {
    return fmt::format("{}{}{}", before, number, after);
  }
};

void remove_extension(std::string_view* name) {
  for (const std::string_view extension : {".tfrecord", ".tfrecords", ".record", ".records"}) {
    if (name->ends_with(extension)) {
      name->remove_suffix(extension.size());
      return;
    }
  }
}

// Takes the digits at the end of `name` off it.
std::optional<std::uint64_t> take_number(std::string_view* name) {
  const std::size_t last = name->find_last_not_of("0123456789");
  const std::size_t begin = last == std::string_view::npos ? 0 : last + 1;
  const std::string_view digits = name->substr(begin);
  if (digits.size() < kFewestDigits || digits.size() > kMostDigits) return std::nullopt;
  std::uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  name->remove_suffix(digits.size());
  return number;
}

std::optional<ShardName> parse_shard_name(const std::string& file_name) {
  constexpr std::string_view kOf = "-of-";
  std::string_view rest = file_name;
  remove_extension(&rest);
  const auto count = take_number(&rest);
  if (!count || !rest.ends_with(kOf)) return std::nullopt;
  rest.remove_suffix(kOf.size());
  const std::size_t end_of_number = rest.size();
  const auto shard = take_number(&rest);
  if (!shard || *shard >= *count || !(rest.ends_with('-') || rest.ends_with('_'))) {
    return std::nullopt;
  }
  ShardName name;
  name.before = rest;
  name.after = file_name.substr(end_of_number);
  name.digits = end_of_number - rest.size();
  name.shard = *shard;
  name.count = *count;
  rest.remove_suffix(1);
  remove_extension(&rest);
  // "model.ckpt.data-00000-of-00001" is no dataset.
  if (rest.empty() || rest.find('.') != std::string_view::npos) return std::nullopt;
  name.stem = rest;
  return name;
}

// Shards by number, of names that differ in nothing else.
using Shards = std::map<std::uint64_t, ShardName>;

ShardSet make_set(const fs::path& directory, const Shards& shards) {
  const ShardName& any = shards.begin()->second;
  ShardSet set;
  set.stem = any.stem;
  set.name = directory / any.with("*");
  set.count = any.count;
  std::uint64_t expected = 0;
  const auto missing = [&] {
    set.first_missing = any.with(fmt::format("{:0{}}", expected, any.digits));
  };
  for (const auto& [number, name] : shards) {
    if (number != expected && set.first_missing.empty()) missing();
    set.files.push_back(directory / name.with(fmt::format("{:0{}}", number, name.digits)));
    expected = number + 1;
  }
  if (expected != set.count && set.first_missing.empty()) missing();
  return set;
}

}  // namespace

std::vector<ShardSet> find_shard_sets(const fs::path& directory) {
  std::map<std::tuple<std::string, std::string, std::size_t>, Shards> found;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    auto name = parse_shard_name(entry->path().filename().string());
    if (!name) continue;
    Shards& shards = found[{name->before, name->after, name->digits}];
    shards.emplace(name->shard, std::move(*name));
  }
  std::vector<ShardSet> sets;
  for (const auto& [key, shards] : found) sets.push_back(make_set(directory, shards));
  return sets;
}

void require_all_shards(const ShardSet& set) {
  if (set.first_missing.empty()) return;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("{} has {} of the {} files {}; {} is missing; put the missing ones there "
                          "or convert the dataset again",
                          set.name.parent_path().string(), set.files.size(), set.count,
                          set.name.filename().string(), set.first_missing));
}

bool is_stem_of(std::string_view stem, std::string_view dataset_name, std::string_view split) {
  if (stem.size() > dataset_name.size() && stem.starts_with(dataset_name) &&
      (stem[dataset_name.size()] == '_' || stem[dataset_name.size()] == '-')) {
    stem.remove_prefix(dataset_name.size() + 1);
  }
  return stem == split;
}

}  // namespace narrow
