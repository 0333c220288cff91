// Labelled images on disk: TFRecord files with the names and features of TF-Slim's datasets
// (tensorflow/models, research/slim/datasets).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/images/image.h"
#include "data/records/tfrecord.h"

namespace narrow {

struct SplitSpec {
  std::string name;       // "train", "test"
  std::string file_name;  // "cifar10_train.tfrecord"
  // What the publishers counted; readers count for themselves.
  std::uint64_t published_records = 0;
};

struct DatasetSpec {
  std::string name;
  std::vector<std::string> classes;  // names, by label
  std::vector<SplitSpec> splits;
};

// cifar10 and fashion_mnist.
std::span<const DatasetSpec> dataset_specs();

// Throws Error(kUsage) naming the known ones.
const DatasetSpec& find_dataset_spec(std::string_view name);

// Throws Error(kUsage) with Slim's sentence and the splits there are.
const SplitSpec& find_split(const DatasetSpec& spec, std::string_view split);

// The name of the file of class names in every dataset's directory.
constexpr std::string_view kLabelsFileName = "labels.txt";

// "0:airplane\n1:automobile\n...".
std::string format_labels(std::span<const std::string> classes);

// The names in DIRECTORY/labels.txt by label, each line split at its first colon; `otherwise` when
// there is no such file. Throws Error(kCorrupt) naming the line that is no "label:name" or whose
// label is not below otherwise.size().
std::vector<std::string> read_labels(const std::filesystem::path& directory,
                                     std::vector<std::string> otherwise);

struct LabeledImage {
  Image image;
  int label = 0;  // 0..class_count() - 1
};

// One split, opened. Safe to use from several threads.
class Dataset {
 public:
  // `labels_offset` is subtracted from every label and from the number of classes, as Slim's flag
  // of that name does. Throws Error(kUsage) for an unknown split or an offset that leaves no class,
  // Error(kNotFound) when the file is missing, Error(kCorrupt) as TfRecordFile does.
  Dataset(const std::filesystem::path& directory, const DatasetSpec& spec, std::string_view split,
          int labels_offset = 0);
  // A record file of any name with these classes.
  Dataset(const std::filesystem::path& file, std::vector<std::string> classes);

  // Records, counted in the file.
  [[nodiscard]] std::size_t size() const { return records_.size(); }
  [[nodiscard]] int class_count() const { return static_cast<int>(classes_.size()); }
  // Names by label, from labels.txt or the specification.
  [[nodiscard]] const std::vector<std::string>& classes() const { return classes_; }
  [[nodiscard]] const TfRecordFile& records() const { return records_; }

  // Record `index`, decoded. Throws Error(kCorrupt) or Error(kUnsupported) naming record, byte
  // offset and file: a damaged record or image, a label outside 0..class_count() - 1.
  [[nodiscard]] LabeledImage read(std::size_t index) const;

 private:
  TfRecordFile records_;
  std::vector<std::string> classes_;
  int labels_offset_;
};

}  // namespace narrow
