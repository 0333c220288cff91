#include "tasks/dataset_splits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "data/shard_sets.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

std::vector<const DatasetSpec*> wanted_specs(std::string_view dataset_name) {
  if (!dataset_name.empty()) return {&find_dataset_spec(dataset_name)};
  std::vector<const DatasetSpec*> specs;
  for (const DatasetSpec& spec : dataset_specs()) specs.push_back(&spec);
  return specs;
}

// The dataset with whose name a name of a file begins, or null.
const DatasetSpec* spec_told_by(std::string_view name) {
  for (const DatasetSpec& spec : dataset_specs()) {
    if (name.starts_with(spec.name + "_") || name.starts_with(spec.name + "-")) return &spec;
  }
  return nullptr;
}

// NAME_SPLIT.tfrecord of every split there is, those that were published first.
std::vector<DatasetSplit> single_files(const fs::path& directory, const DatasetSpec& spec) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(spec.name + "_") && name.ends_with(".tfrecord")) names.insert(name);
  }
  for (const ShardSet& set : find_shard_sets(directory)) {
    for (const fs::path& file : set.files) names.erase(file.filename().string());
  }
  std::vector<DatasetSplit> splits;
  const auto add = [&](const std::string& name, std::uint64_t published_records) {
    splits.push_back({&spec, {directory / name}, directory / name, published_records});
  };
  for (const SplitSpec& split : spec.splits) {
    if (names.erase(split.file_name) > 0) add(split.file_name, split.published_records);
  }
  for (const std::string& name : names) add(name, 0);
  return splits;
}

DatasetSplit split_of_shards(const ShardSet& set, const DatasetSpec& spec) {
  require_all_shards(set);
  DatasetSplit split{&spec, set.files, set.name, 0};
  for (const SplitSpec& published : spec.splits) {
    if (is_stem_of(set.stem, spec.name, published.name)) {
      split.published_records = published.published_records;
    }
  }
  return split;
}

[[noreturn]] void throw_nothing_found(const fs::path& directory,
                                      const std::vector<const DatasetSpec*>& specs,
                                      const std::vector<std::string>& untold) {
  if (!untold.empty()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the name of {} in {} does not say its dataset; dataset_name does",
                            fmt::join(untold, ", "), directory.string()));
  }
  std::vector<std::string> tried;
  for (const DatasetSpec* spec : specs) {
    for (const SplitSpec& split : spec->splits) tried.push_back(split.file_name);
  }
  throw Error(ErrorCategory::kNotFound,
              fmt::format("{} has none of {} and no shards like train-00000-of-00002",
                          directory.string(), fmt::join(tried, ", ")),
              {Remedy::Kind::kDownload});
}

std::vector<DatasetSplit> splits_in_directory(const fs::path& directory,
                                              std::string_view dataset_name) {
  const auto specs = wanted_specs(dataset_name);
  std::vector<DatasetSplit> found;
  for (const DatasetSpec* spec : specs) {
    for (DatasetSplit& split : single_files(directory, *spec)) found.push_back(std::move(split));
  }
  std::vector<std::string> untold;
  for (const ShardSet& set : find_shard_sets(directory)) {
    const DatasetSpec* told = spec_told_by(set.stem);
    if (told == nullptr && specs.size() == 1) told = specs.front();
    if (told == nullptr) {
      untold.push_back(set.name.filename().string());
    } else if (std::ranges::find(specs, told) != specs.end()) {
      found.push_back(split_of_shards(set, *told));
    }
  }
  if (found.empty()) throw_nothing_found(directory, specs, untold);
  return found;
}

DatasetSplit split_of_file(const fs::path& path, std::string_view dataset_name) {
  const std::string name = path.filename().string();
  const DatasetSpec* spec =
      dataset_name.empty() ? spec_told_by(name) : &find_dataset_spec(dataset_name);
  if (spec == nullptr) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("the name of {} does not say its dataset; dataset_name does", path.string()));
  }
  DatasetSplit split{spec, {path}, path, 0};
  for (const SplitSpec& published : spec->splits) {
    if (name == published.file_name) split.published_records = published.published_records;
  }
  return split;
}

}  // namespace

std::vector<DatasetSplit> find_dataset_splits(const fs::path& path, std::string_view dataset_name) {
  if (!dataset_name.empty()) find_dataset_spec(dataset_name);
  if (!fs::exists(path)) {
    throw Error(ErrorCategory::kNotFound, fmt::format("{} does not exist", path.string()));
  }
  if (fs::is_directory(path)) return splits_in_directory(path, dataset_name);
  return {split_of_file(path, dataset_name)};
}

void use_split(const DatasetSplit& split, const std::function<void(const Dataset&)>& use) {
  const fs::path directory = split.files.front().parent_path();
  const auto open_and_use = [&](ClassLabels labels) {
    use(Dataset(TfRecordShards(split.files, split.name), std::move(labels)));
  };
  try {
    open_and_use(read_labels(directory, split.spec->classes));
    return;
  } catch (const Error&) {
    if (fs::exists(directory / kLabelsFileName)) throw;
    // Nothing says where the labels begin: converters leave 0 to the background.
    try {
      open_and_use({1, split.spec->classes});
      return;
    } catch (const Error&) {
    }
    throw;
  }
}

}  // namespace narrow
