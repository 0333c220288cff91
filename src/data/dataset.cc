#include "data/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>

#include "base/file.h"
#include "base/staging/interrupted_results.h"
#include "data/shard_sets.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::uint64_t kMaxLabelsBytes = 1 << 20;

template <typename Rows>
std::vector<std::string> names_of(const Rows& rows) {
  std::vector<std::string> names;
  for (const auto& row : rows) names.push_back(row.name);
  return names;
}

struct LabelLine {
  int number = 0;
  std::string name;
  std::string text;
};

std::string file_of_split(const DatasetSpec& spec, std::string_view split) {
  return fmt::format("{}_{}.tfrecord", spec.name, split);
}

// What to do about the label just beyond the classes.
std::string advice_about(std::int64_t label, int class_count, int labels_offset) {
  if (labels_offset != 0 || label != class_count) return {};
  return fmt::format(
      "; if they begin at 1, labels_offset=1 maps them, with a {} beside the "
      "records that names 1 to {}",
      kLabelsFileName, class_count);
}

// The number of labels before the first class, when the lines name every class that is left.
std::optional<std::size_t> first_class(const std::map<std::size_t, LabelLine>& lines,
                                       std::size_t classes) {
  if (lines.empty() || lines.rbegin()->first < classes) return 0;
  const std::size_t first = lines.rbegin()->first + 1 - classes;
  const auto named = std::distance(lines.lower_bound(first), lines.end());
  if (static_cast<std::size_t>(named) < classes) return std::nullopt;
  return first;
}

[[noreturn]] void throw_bad_line(const std::filesystem::path& path, int number, std::size_t classes,
                                 const std::string& line) {
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("line {} of {} is not a label below {}, a colon and a name: '{}'", number,
                          path.string(), classes, line));
}

std::map<std::size_t, LabelLine> parse_labels(const std::filesystem::path& path,
                                              std::size_t classes) {
  std::istringstream text(read_small_file(path, kMaxLabelsBytes));
  std::map<std::size_t, LabelLine> lines;
  int number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    if (line.empty()) continue;
    const std::size_t colon = std::min(line.find(':'), line.size());
    std::size_t label = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + colon, label);
    if (colon == line.size() || error != std::errc{} || end != line.data() + colon ||
        label > kMaxLabelsBytes) {
      throw_bad_line(path, number, classes, line);
    }
    lines[label] = {number, line.substr(colon + 1), line};
  }
  return lines;
}

// The labels of Slim's records. Names come from labels.txt, where there is one.
std::vector<std::string> imagenet_classes() {
  constexpr int kSynsets = 1000;
  std::vector<std::string> classes = {"background"};
  for (int label = 1; label <= kSynsets; ++label) classes.push_back(fmt::format("{}", label));
  return classes;
}

ShardSet find_shards_of(const std::filesystem::path& directory, const DatasetSpec& spec,
                        std::string_view split) {
  settle_results(directory, {}, Leftovers::kFinish);
  const std::vector<ShardSet> sets = find_shard_sets(directory);
  std::vector<const ShardSet*> found;
  std::vector<std::string> others;
  for (const ShardSet& set : sets) {
    if (is_stem_of(set.stem, spec.name, split)) {
      found.push_back(&set);
    } else {
      others.push_back(set.name.filename().string());
    }
  }
  if (found.size() > 1) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("{} has the split {} of {} twice, as {} and as {}; move one of them "
                    "elsewhere",
                    directory.string(), split, spec.name, found[0]->name.filename().string(),
                    found[1]->name.filename().string()));
  }
  if (found.size() == 1) return *found.front();
  if (!others.empty()) {
    throw Error(
        ErrorCategory::kNotFound,
        fmt::format("{} has no split {} of {}, neither as {} nor as {}-00000-of-...; it has "
                    "{}",
                    directory.string(), split, spec.name, file_of_split(spec, split), split,
                    fmt::join(others, ", ")));
  }
  throw Error(ErrorCategory::kNotFound,
              fmt::format("{} does not exist; {} has to be converted into {} first",
                          (directory / find_split(spec, split).file_name).string(), spec.name,
                          directory.string()));
}

}  // namespace

std::span<const DatasetSpec> dataset_specs() {
  static const std::vector<DatasetSpec> kSpecs = {
      {"cifar10",
       {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"},
       {{"train", "cifar10_train.tfrecord", 50000}, {"test", "cifar10_test.tfrecord", 10000}}},
      {"fashion_mnist",
       {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot"},
       {{"train", "fashion_mnist_train.tfrecord", 60000},
        {"test", "fashion_mnist_test.tfrecord", 10000}}},
      {"imagenet",
       imagenet_classes(),
       {{"train", "imagenet_train.tfrecord", 1281167},
        {"validation", "imagenet_validation.tfrecord", 50000}}},
      {"flowers",
       {"daisy", "dandelion", "roses", "sunflowers", "tulips"},
       {{"train", "flowers_train.tfrecord", 3320},
        {"validation", "flowers_validation.tfrecord", 350}}},
  };
  return kSpecs;
}

const DatasetSpec& find_dataset_spec(std::string_view name) {
  for (const DatasetSpec& spec : dataset_specs()) {
    if (spec.name == name) return spec;
  }
  throw Error(ErrorCategory::kUsage, fmt::format("Name of dataset unknown {}; there are {}", name,
                                                 fmt::join(names_of(dataset_specs()), ", ")));
}

const SplitSpec& find_split(const DatasetSpec& spec, std::string_view split) {
  for (const SplitSpec& candidate : spec.splits) {
    if (candidate.name == split) return candidate;
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("split name {} was not recognized. {} has {}", split, spec.name,
                          fmt::join(names_of(spec.splits), ", ")));
}

std::string format_labels(std::span<const std::string> classes) {
  std::string text;
  for (std::size_t label = 0; label < classes.size(); ++label) {
    text += fmt::format("{}:{}\n", label, classes[label]);
  }
  return text;
}

TfRecordShards open_split(const std::filesystem::path& directory, const DatasetSpec& spec,
                          std::string_view split) {
  if (split.find('/') == std::string_view::npos) {
    const auto path = directory / file_of_split(spec, split);
    if (std::filesystem::exists(path)) return TfRecordShards({path});
  }
  const ShardSet shards = find_shards_of(directory, spec, split);
  require_all_shards(shards);
  return TfRecordShards(shards.files, shards.name);
}

ClassLabels read_labels(const std::filesystem::path& directory,
                        std::vector<std::string> otherwise) {
  const auto path = directory / kLabelsFileName;
  if (!std::filesystem::exists(path)) return {0, std::move(otherwise)};
  const std::size_t classes = otherwise.size();
  const auto lines = parse_labels(path, classes);
  const auto shifted = first_class(lines, classes);
  const std::size_t first = shifted.value_or(0);
  ClassLabels labels{static_cast<int>(first), std::move(otherwise)};
  for (const auto& [label, line] : lines) {
    if (label >= first + classes) throw_bad_line(path, line.number, classes, line.text);
    if (label >= first) labels.names[label - first] = line.name;
  }
  return labels;
}

void Dataset::check_offset(int end, std::string_view whose) const {
  if (labels_offset_ < 0) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the labels offset is {}; it must be at least 0", labels_offset_));
  }
  if (labels_offset_ >= end) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("a labels offset of {} leaves none of the {} classes of {}",
                            labels_offset_, classes_.size(), whose));
  }
}

Dataset::Dataset(const std::filesystem::path& directory, const DatasetSpec& spec,
                 std::string_view split, int labels_offset, const DecodeOptions& decoding)
    : records_(open_split(directory, spec, split), decoding), labels_offset_(labels_offset) {
  ClassLabels labels = read_labels(directory, spec.classes);
  const int end = labels.first + static_cast<int>(labels.names.size());
  classes_ = std::move(labels.names);
  if (labels_offset >= 0 && labels_offset < labels.first) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("{} gives the {} classes of {} the labels {}..{}; labels_offset={} "
                    "makes them 0..{}, and it is {}",
                    (directory / kLabelsFileName).string(), classes_.size(), spec.name,
                    labels.first, end - 1, labels.first, classes_.size() - 1, labels_offset));
  }
  check_offset(end, spec.name);
  classes_.erase(classes_.begin(), classes_.begin() + (labels_offset - labels.first));
}

Dataset::Dataset(TfRecordShards records, ClassLabels labels)
    : records_(std::move(records)),
      classes_(std::move(labels.names)),
      labels_offset_(labels.first) {}

Dataset::Dataset(PictureList pictures, int labels_offset, const DecodeOptions& decoding)
    : records_(PictureList{}),
      classes_(std::move(pictures.classes)),
      labels_offset_(labels_offset),
      has_more_classes_(pictures.has_more_classes) {
  check_offset(static_cast<int>(classes_.size()), pictures.path.string());
  classes_.erase(classes_.begin(), classes_.begin() + labels_offset);
  records_ = EncodedImages(std::move(pictures), decoding);
}

void Dataset::name_more_classes(int count) {
  while (class_count() < count) {
    classes_.push_back(fmt::format("{}", class_count() + labels_offset_));
  }
}

LabeledImage Dataset::read(std::size_t index) const {
  const EncodedImage image = records_.read(index);
  // Compared before the subtraction, which a hostile label could make overflow.
  if (image.label < labels_offset_ || image.label - labels_offset_ >= class_count()) {
    throw Error(
        ErrorCategory::kCorrupt,
        fmt::format("{} has the label {}; the {} classes are {}..{}{}", records_.describe(index),
                    image.label, class_count(), labels_offset_, labels_offset_ + class_count() - 1,
                    advice_about(image.label, class_count(), labels_offset_)));
  }
  return {records_.decode(image, index), static_cast<int>(image.label) - labels_offset_};
}

}  // namespace narrow
