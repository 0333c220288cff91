// Splits in several files, as TensorFlow's converters name them: STEM-00000-of-00002 or
// STEM_00000-of-00002, with .tfrecord (or .tfrecords, .record, .records) before or after the
// numbers or without. STEM is SPLIT (build_image_data.py), NAME_SPLIT
// (download_and_convert_flowers.py) or NAME-SPLIT.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace narrow {

// The shards of one stem and number that a directory has.
struct ShardSet {
  std::string stem;                          // "validation", "flowers_train"
  std::filesystem::path name;                // stands for all of them: DIR/validation-*-of-00002
  std::vector<std::filesystem::path> files;  // those that are there, in shard order; never empty
  std::uint64_t count = 0;                   // so many there should be
  std::string first_missing;                 // the name of a file; empty when all are there
};

// All of them, by name. A directory that cannot be read has none.
std::vector<ShardSet> find_shard_sets(const std::filesystem::path& directory);

// Throws Error(kNotFound) naming the first shard that is missing.
void require_all_shards(const ShardSet& set);

// Whether a stem is that of the split in the dataset called so.
bool is_stem_of(std::string_view stem, std::string_view dataset_name, std::string_view split);

}  // namespace narrow
