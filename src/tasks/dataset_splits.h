// The splits that a path holds, whatever their datasets are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace narrow {

// One file or all shards of a split, and the dataset whose classes it has.
struct DatasetSplit {
  const DatasetSpec* spec = nullptr;
  std::vector<std::filesystem::path> files;  // in shard order
  std::filesystem::path name;                // stands for all of them
  std::uint64_t published_records = 0;       // 0: not known
};

// The splits of a directory, or the one that a file is. `dataset_name` may be empty: then names of
// files decide. Throws Error: kNotFound for nothing there or a missing shard, kUsage for an unknown
// dataset or a file whose name does not say which.
std::vector<DatasetSplit> find_dataset_splits(const std::filesystem::path& path,
                                              std::string_view dataset_name);

// Calls `use` with the split opened, whose labels are those of labels.txt. Without one they may
// begin at 1 as well as at 0: what throws with the one is tried with the other. Throws what the
// first call threw, or what opening the split throws.
void use_split(const DatasetSplit& split, const std::function<void(const Dataset&)>& use);

}  // namespace narrow
