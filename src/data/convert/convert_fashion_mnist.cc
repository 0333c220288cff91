// Fashion-MNIST (https://github.com/zalandoresearch/fashion-mnist) from its four IDX files.
#include <fmt/format.h>

#include <array>

#include "base/bytes.h"
#include "data/convert/idx.h"
#include "data/convert/split_writer.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxIdxBytes = std::size_t{1} << 30;
// In the order of the dataset's splits.
constexpr std::array<std::string_view, 2> kPrefixes = {"train", "t10k"};

// The file, gzipped or plain.
fs::path source_file(const fs::path& directory, std::string_view prefix, std::string_view kind) {
  const fs::path plain = directory / fmt::format("{}-{}-ubyte", prefix, kind);
  const fs::path gzipped = plain.string() + ".gz";
  for (const fs::path& path : {gzipped, plain}) {
    if (fs::exists(path)) return path;
  }
  throw Error(ErrorCategory::kNotFound,
              fmt::format("{} does not exist; install the Debian package dataset-fashion-mnist or "
                          "name a directory with the four IDX files",
                          gzipped.string()));
}

struct GreySplit {
  IdxArray images;
  IdxArray labels;
  [[nodiscard]] LabeledImage at(std::size_t row) const;
};

IdxArray read_idx(const fs::path& path, std::size_t rank) {
  return parse_idx(as_byte_span(read_gzip_file(path, kMaxIdxBytes)), rank, path.string());
}

IdxArray read_labels_file(const fs::path& path, std::size_t classes) {
  IdxArray labels = read_idx(path, 1);
  for (std::size_t row = 0; row < labels.values.size(); ++row) {
    if (labels.values[row] < classes) continue;
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} has the label {} for image {}; labels are 0..{}", path.string(),
                            labels.values[row], row, classes - 1));
  }
  return labels;
}

GreySplit read_split(const fs::path& directory, std::string_view prefix, IdxArray labels) {
  const fs::path path = source_file(directory, prefix, "images-idx3");
  GreySplit split{read_idx(path, 3), std::move(labels)};
  const auto& dimensions = split.images.dimensions;
  if (dimensions[0] != split.labels.values.size()) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} has {} images, but there are {} labels", path.string(),
                            dimensions[0], split.labels.values.size()));
  }
  if (dimensions[1] > kMaxImageSide || dimensions[2] > kMaxImageSide ||
      std::uint64_t{dimensions[1]} * dimensions[2] > kMaxImagePixels) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} has images of {} x {} pixels, more than are read", path.string(),
                            dimensions[2], dimensions[1]));
  }
  return split;
}

LabeledImage GreySplit::at(std::size_t row) const {
  const auto height = static_cast<std::size_t>(images.dimensions[1]);
  const auto width = static_cast<std::size_t>(images.dimensions[2]);
  const std::uint8_t* grey = images.values.data() + row * height * width;
  LabeledImage labeled;
  labeled.label = labels.values[row];
  labeled.image = {static_cast<int>(height), static_cast<int>(width), {}};
  labeled.image.pixels.reserve(height * width * kImageChannels);
  for (std::size_t i = 0; i < height * width; ++i) {
    labeled.image.pixels.insert(labeled.image.pixels.end(), kImageChannels, grey[i]);
  }
  return labeled;
}

}  // namespace

ConvertResult convert_fashion_mnist(const fs::path& directory, const FashionMnistOptions& options,
                                    ConvertObserver& observer) {
  const DatasetSpec& spec = find_dataset_spec("fashion_mnist");
  std::vector<IdxArray> labels;
  std::vector<std::uint64_t> records;
  for (const std::string_view prefix : kPrefixes) {
    labels.push_back(
        read_labels_file(source_file(options.source, prefix, "labels-idx1"), spec.classes.size()));
    records.push_back(labels.back().values.size());
  }
  ConvertResult result;
  const auto is_complete = [&] {
    return !options.redo && find_complete_dataset(directory, spec, records, observer, &result);
  };
  if (is_complete()) return result;
  DatasetOutput output(directory, spec);
  if (output.has_waited() && is_complete()) return result;
  std::vector<GreySplit> splits;
  for (std::size_t i = 0; i < kPrefixes.size(); ++i) {
    splits.push_back(read_split(options.source, kPrefixes[i], std::move(labels[i])));
  }
  std::vector<SplitSource> sources;
  for (std::size_t i = 0; i < splits.size(); ++i) {
    sources.push_back({records[i], [&splits, i](std::size_t row) { return splits[i].at(row); }});
  }
  output.write(sources, observer, &result);
  return result;
}

}  // namespace narrow
