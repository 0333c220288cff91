#include "data/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/bytes.h"
#include "data/records/example.h"
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

std::filesystem::path existing_split_file(const std::filesystem::path& directory,
                                          const DatasetSpec& spec, std::string_view split) {
  const auto path = directory / find_split(spec, split).file_name;
  if (!std::filesystem::exists(path)) {
    throw Error(ErrorCategory::kNotFound,
                fmt::format("{} does not exist; {} has to be converted into {} first",
                            path.string(), spec.name, directory.string()));
  }
  return path;
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

std::vector<std::string> read_labels(const std::filesystem::path& directory,
                                     std::vector<std::string> otherwise) {
  const auto path = directory / kLabelsFileName;
  if (!std::filesystem::exists(path)) return otherwise;
  std::istringstream lines(read_small_file(path, kMaxLabelsBytes));
  std::vector<std::string> names = std::move(otherwise);
  int line_number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++line_number;
    if (line.empty()) continue;
    const std::size_t colon = std::min(line.find(':'), line.size());
    std::size_t label = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + colon, label);
    if (colon == line.size() || error != std::errc{} || end != line.data() + colon ||
        label >= names.size()) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("line {} of {} is not a label below {}, a colon and a name: '{}'",
                              line_number, path.string(), names.size(), line));
    }
    names[label] = line.substr(colon + 1);
  }
  return names;
}

Dataset::Dataset(const std::filesystem::path& directory, const DatasetSpec& spec,
                 std::string_view split, int labels_offset)
    : records_(existing_split_file(directory, spec, split)),
      classes_(read_labels(directory, spec.classes)),
      labels_offset_(labels_offset) {
  if (labels_offset < 0 || labels_offset >= class_count()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("a labels offset of {} leaves none of the {} classes of {}",
                            labels_offset, class_count(), spec.name));
  }
  classes_.erase(classes_.begin(), classes_.begin() + labels_offset);
}

Dataset::Dataset(const std::filesystem::path& file, std::vector<std::string> classes)
    : records_(file), classes_(std::move(classes)), labels_offset_(0) {}

LabeledImage Dataset::read(std::size_t index) const {
  std::vector<std::byte> record;
  records_.read(index, record);
  const std::string place = records_.describe(index);
  const ImageExample example = parse_image_example(record, place);
  // Compared before the subtraction, which a hostile label could make overflow.
  if (example.label < labels_offset_ || example.label - labels_offset_ >= class_count()) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} has the label {}; the {} classes are {}..{}", place, example.label,
                            class_count(), labels_offset_, labels_offset_ + class_count() - 1));
  }
  return {decode_image(as_byte_span(example.encoded), place),
          static_cast<int>(example.label) - labels_offset_};
}

}  // namespace narrow
