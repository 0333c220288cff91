// Labelled images on disk: TFRecord files with the names and features of TF-Slim's datasets
// (tensorflow/models, research/slim/datasets), or pictures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/encoded_images.h"
#include "data/images/image.h"
#include "data/pictures/picture_list.h"
#include "data/records/tfrecord_shards.h"

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

// cifar10, fashion_mnist, and imagenet and flowers, which are in shards and are not made here.
std::span<const DatasetSpec> dataset_specs();

// Throws Error(kUsage) naming the known ones.
const DatasetSpec& find_dataset_spec(std::string_view name);

// Throws Error(kUsage) with Slim's sentence and the splits there are.
const SplitSpec& find_split(const DatasetSpec& spec, std::string_view split);

// The records of a split: the file NAME_SPLIT.tfrecord or, when there is none, the shards of that
// split, whose name may be any (data/shard_sets.h). Throws Error: kUsage when there is neither and
// the specification has no such split, or when there are several sets of shards; kNotFound when the
// file or a shard is missing; kCorrupt as TfRecordFile does.
TfRecordShards open_split(const std::filesystem::path& directory, const DatasetSpec& spec,
                          std::string_view split);

// The name of the file of class names in every dataset's directory.
constexpr std::string_view kLabelsFileName = "labels.txt";

// "0:airplane\n1:automobile\n...".
std::string format_labels(std::span<const std::string> classes);

// What the labels of records mean.
struct ClassLabels {
  int first = 0;                   // the label of the first class
  std::vector<std::string> names;  // of the labels first, first + 1, ...
};

// The names in DIRECTORY/labels.txt, each line split at its first colon; `otherwise` by label where
// it has none, or when there is no such file. Converters that leave 0 to the background name
// 1:airplane to 10:truck: when labels beyond otherwise.size() - 1 are named, and with them as many
// in a row as there are classes, the first of these is the first class. Throws Error(kCorrupt)
// naming the line that is no "label:name" or whose label is too large for either.
ClassLabels read_labels(const std::filesystem::path& directory, std::vector<std::string> otherwise);

struct LabeledImage {
  Image image;
  int label = 0;  // 0..class_count() - 1
};

// One split or list of pictures, opened. Safe to use from several threads.
class Dataset {
 public:
  // `labels_offset` is subtracted from every label and from the number of labels, as Slim's flag of
  // that name does. Throws what open_split and read_labels throw, and Error(kUsage) for an offset
  // that leaves no class or less than that with which labels.txt begins.
  Dataset(const std::filesystem::path& directory, const DatasetSpec& spec, std::string_view split,
          int labels_offset = 0, const DecodeOptions& decoding = kTensorFlowDecoding);
  // Records of any name whose labels are these; the first class is 0 here.
  Dataset(TfRecordShards records, ClassLabels labels);
  // `labels_offset` as above.
  explicit Dataset(PictureList pictures, int labels_offset = 0,
                   const DecodeOptions& decoding = kPillowDecoding);

  // Records, counted in the file, or pictures.
  [[nodiscard]] std::size_t size() const { return records_.size(); }
  [[nodiscard]] int class_count() const { return static_cast<int>(classes_.size()); }
  // What is subtracted from the labels of the records.
  [[nodiscard]] int labels_offset() const { return labels_offset_; }
  // Names by label, from labels.txt or the specification.
  [[nodiscard]] const std::vector<std::string>& classes() const { return classes_; }
  [[nodiscard]] const EncodedImages& records() const { return records_; }

  // The labels are numbers without a list of classes: that of the greatest is the last class known.
  [[nodiscard]] bool has_more_classes() const { return has_more_classes_; }
  // For such labels: names further classes by their numbers, so that there are `count`, if there
  // are less.
  void name_more_classes(int count);

  // Image `index`, decoded. Throws Error(kCorrupt) or Error(kUnsupported) naming record, byte
  // offset and file, or the picture: a damaged record or image, a label outside
  // 0..class_count() - 1.
  [[nodiscard]] LabeledImage read(std::size_t index) const;

 private:
  // Throws Error(kUsage) for an offset below 0 or `end` and more.
  void check_offset(int end, std::string_view whose) const;

  EncodedImages records_;
  std::vector<std::string> classes_;
  int labels_offset_;
  bool has_more_classes_ = false;
};

}  // namespace narrow
