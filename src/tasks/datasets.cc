#include "narrow/datasets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "base/staged_output.h"
#include "data/convert/convert.h"
#include "data/dataset.h"
#include "data/dataset_inspect.h"
#include "data/download/resnet_download.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// Passes on what the layer below tells.
class Relay : public ConvertObserver {
 public:
  explicit Relay(DownloadObserver& observer) : observer_(observer) {}
  bool on_bytes(const std::string& url, std::uint64_t done, std::uint64_t total) override {
    return observer_.on_bytes(url, done, total);
  }
  void on_retry(const std::string& /*url*/, const std::string& reason,
                std::chrono::milliseconds wait) override {
    observer_.on_note(fmt::format("{}; next attempt in {:.1f} s", reason,
                                  std::chrono::duration<double>(wait).count()));
  }
  void on_note(const std::string& sentence) override { observer_.on_note(sentence); }
  bool on_images(const std::string& file, std::uint64_t done, std::uint64_t total) override {
    return observer_.on_images(file, done, total);
  }

 private:
  DownloadObserver& observer_;
};

std::optional<Digest> expected_digest(const DownloadOptions& options) {
  if (options.checksum.empty()) return std::nullopt;
  return parse_digest(options.checksum);
}

DownloadOutcome outcome_of(const ConvertResult& converted) {
  DownloadOutcome outcome;
  outcome.was_complete = converted.was_complete;
  for (const ConvertedSplit& split : converted.splits) {
    outcome.files.push_back({split.path, split.size_bytes, split.records});
  }
  outcome.files.push_back({converted.labels, fs::file_size(converted.labels), 0});
  outcome.archive_md5 = converted.archive_digests.md5;
  outcome.archive_sha256 = converted.archive_digests.sha256;
  return outcome;
}

DownloadOutcome download_cifar10(const DownloadOptions& options, ConvertObserver& observer) {
  Cifar10Options convert;
  convert.source = options.source;
  convert.expected = expected_digest(options);
  convert.keep_archive = options.keep_archive;
  convert.redo = options.overwrite == Overwrite::kYes;
  convert.attempts = options.attempts;
  convert.first_wait = options.first_wait;
  return outcome_of(convert_cifar10(options.directory, convert, observer));
}

DownloadOutcome download_fashion_mnist(const DownloadOptions& options, ConvertObserver& observer) {
  if (!options.checksum.empty()) {
    throw Error(ErrorCategory::kUsage,
                "fashion_mnist is read from four files, not from an archive with a checksum");
  }
  FashionMnistOptions convert;
  if (!options.source.empty()) convert.source = options.source;
  convert.redo = options.overwrite == Overwrite::kYes;
  return outcome_of(convert_fashion_mnist(options.directory, convert, observer));
}

DownloadOutcome download_checkpoint(const DownloadOptions& options, ConvertObserver& observer) {
  ResnetDownloadOptions fetch;
  fetch.url = options.source;
  fetch.expected = expected_digest(options);
  fetch.overwrite = options.overwrite;
  fetch.attempts = options.attempts;
  fetch.first_wait = options.first_wait;
  const ResnetDownloadResult result =
      download_resnet_v1(options.name, options.directory, fetch, observer);
  DownloadOutcome outcome;
  outcome.files.push_back({result.checkpoint, result.checkpoint_bytes, 0});
  outcome.archive_md5 = result.archive_digests.md5;
  outcome.archive_sha256 = result.archive_digests.sha256;
  return outcome;
}

// A file and the dataset whose classes it has.
struct SplitFile {
  const DatasetSpec* spec = nullptr;
  fs::path path;
  std::uint64_t published_records = 0;
};

std::vector<SplitFile> splits_in_directory(const fs::path& directory,
                                           std::string_view dataset_name) {
  std::vector<SplitFile> found;
  std::vector<std::string> tried;
  for (const DatasetSpec& spec : dataset_specs()) {
    if (!dataset_name.empty() && spec.name != dataset_name) continue;
    for (const SplitSpec& split : spec.splits) {
      tried.push_back(split.file_name);
      const fs::path path = directory / split.file_name;
      if (fs::exists(path)) found.push_back({&spec, path, split.published_records});
    }
  }
  if (found.empty()) {
    throw Error(ErrorCategory::kNotFound,
                fmt::format("{} has none of {}; narrow download makes them", directory.string(),
                            fmt::join(tried, ", ")));
  }
  return found;
}

std::vector<SplitFile> find_split_files(const fs::path& path, std::string_view dataset_name) {
  if (!dataset_name.empty()) find_dataset_spec(dataset_name);
  if (!fs::exists(path)) {
    throw Error(ErrorCategory::kNotFound, fmt::format("{} does not exist", path.string()));
  }
  if (fs::is_directory(path)) return splits_in_directory(path, dataset_name);
  for (const DatasetSpec& spec : dataset_specs()) {
    if (!dataset_name.empty() && spec.name != dataset_name) continue;
    for (const SplitSpec& split : spec.splits) {
      if (path.filename() == split.file_name) return {{&spec, path, split.published_records}};
    }
    if (!dataset_name.empty()) return {{&spec, path, 0}};
  }
  throw Error(
      ErrorCategory::kUsage,
      fmt::format("the name of {} does not tell its dataset; --dataset_name does", path.string()));
}

Dataset open_split(const SplitFile& file) {
  return Dataset(file.path, read_labels(file.path.parent_path(), file.spec->classes));
}

}  // namespace

std::vector<std::string> downloadable_names() {
  return {"cifar10", "fashion_mnist", "resnet_v1_50", "resnet_v1_101", "resnet_v1_152"};
}

DownloadOutcome download(const DownloadOptions& options, DownloadObserver& observer) {
  Relay relay(observer);
  if (options.name == "cifar10") return download_cifar10(options, relay);
  if (options.name == "fashion_mnist") return download_fashion_mnist(options, relay);
  const auto names = downloadable_names();
  if (std::ranges::find(names, options.name) == names.end()) {
    throw Error(ErrorCategory::kUsage, fmt::format("dataset_name [{}] was not recognized; there "
                                                   "are {}",
                                                   options.name, fmt::join(names, ", ")));
  }
  return download_checkpoint(options, relay);
}

std::vector<InspectedSplit> inspect_dataset(const fs::path& path, std::string_view dataset_name) {
  std::vector<InspectedSplit> splits;
  for (const SplitFile& file : find_split_files(path, dataset_name)) {
    const DatasetSummary summary = summarize_dataset(open_split(file));
    InspectedSplit& split = splits.emplace_back();
    split.dataset_name = file.spec->name;
    split.path = summary.path;
    split.size_bytes = summary.size_bytes;
    split.records = summary.records;
    split.published_records = file.published_records;
    for (const ClassCount& label : summary.classes) {
      split.classes.push_back({label.name, label.images});
    }
    split.min_height = summary.min_height;
    split.max_height = summary.max_height;
    split.min_width = summary.min_width;
    split.max_width = summary.max_width;
  }
  return splits;
}

void write_contact_sheet(const fs::path& path, std::string_view dataset_name, int per_class,
                         int scale, const fs::path& png, Overwrite overwrite) {
  const Dataset dataset = open_split(find_split_files(path, dataset_name).front());
  const std::string name = png.filename().string();
  if (name.empty()) {
    throw Error(ErrorCategory::kUsage, fmt::format("{} is not the name of a file", png.string()));
  }
  StagedOutput staged(png.parent_path().empty() ? fs::path(".") : png.parent_path(), {name},
                      overwrite);
  ContactSheetLayout layout;
  layout.scale = scale;
  OutputFile file(staged.staging_path(name));
  file.write(encode_png(make_class_sheet(dataset, per_class, layout)));
  file.finish();
  staged.commit();
}

}  // namespace narrow
