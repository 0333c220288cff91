#include "narrow/datasets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/parallel.h"
#include "base/special_file.h"
#include "base/staging/staged_output.h"
#include "data/convert/convert.h"
#include "data/dataset.h"
#include "data/dataset_inspect.h"
#include "data/download/checkpoint_download.h"
#include "narrow/error.h"
#include "tasks/dataset_splits.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// Passes on what the layer below reports.
class Relay : public ConvertObserver {
 public:
  explicit Relay(DownloadObserver& observer) : observer_(observer) {}
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override {
    return observer_.on_progress(done, total, unit);
  }
  void on_source(const std::string& url) override { observer_.on_source(url); }
  void on_file(const std::string& name) override { observer_.on_file(name); }
  void on_retry(const std::string& reason, std::chrono::milliseconds wait) override {
    observer_.on_note(fmt::format("{}; next attempt in {:.1f} s", reason,
                                  std::chrono::duration<double>(wait).count()));
  }
  void on_note(const std::string& sentence) override { observer_.on_note(sentence); }

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
  CheckpointDownloadOptions fetch;
  fetch.url = options.source;
  fetch.expected = expected_digest(options);
  fetch.overwrite = options.overwrite;
  fetch.attempts = options.attempts;
  fetch.first_wait = options.first_wait;
  const CheckpointDownloadResult result =
      download_published_checkpoint(options.name, options.directory, fetch, observer);
  DownloadOutcome outcome;
  outcome.files.push_back({result.checkpoint, result.checkpoint_bytes, 0});
  outcome.archive_md5 = result.archive_digests.md5;
  outcome.archive_sha256 = result.archive_digests.sha256;
  return outcome;
}

InspectedSplit inspect_split(const Dataset& dataset) {
  const DatasetSummary summary = summarize_dataset(dataset);
  InspectedSplit split;
  split.path = summary.path;
  split.files = dataset.records().files().size();
  split.size_bytes = summary.size_bytes;
  split.records = summary.records;
  split.first_label = dataset.labels_offset();
  for (const ClassCount& label : summary.classes) {
    split.classes.push_back({label.name, label.images});
  }
  const auto has_images = [](const ClassCount& label) { return label.images > 0; };
  const auto first = std::ranges::find_if(summary.classes, has_images);
  const auto last = std::find_if(summary.classes.rbegin(), summary.classes.rend(), has_images);
  if (first != summary.classes.end()) {
    split.min_label = split.first_label + static_cast<int>(first - summary.classes.begin());
    split.max_label = split.first_label + static_cast<int>(summary.classes.rend() - last) - 1;
  }
  split.min_height = summary.min_height;
  split.max_height = summary.max_height;
  split.min_width = summary.min_width;
  split.max_width = summary.max_width;
  return split;
}

}  // namespace

std::vector<std::string> downloadable_names() {
  std::vector<std::string> names = {"cifar10", "fashion_mnist"};
  std::ranges::copy(published_checkpoint_names(), std::back_inserter(names));
  return names;
}

DownloadOutcome download(const DownloadOptions& options,
                         const RunOptionsFor<DownloadObserver>& run) {
  const ThreadLimit limit(run.threads);
  DownloadObserver silent;
  Relay relay(run.observer != nullptr ? *run.observer : silent);
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
  for (const DatasetSplit& split : find_dataset_splits(path, dataset_name)) {
    use_split(split, [&](const Dataset& dataset) {
      InspectedSplit inspected = inspect_split(dataset);
      inspected.dataset_name = split.spec->name;
      inspected.published_records = split.published_records;
      splits.push_back(std::move(inspected));
    });
  }
  return splits;
}

void write_contact_sheet(const fs::path& path, std::string_view dataset_name, int per_class,
                         int scale, const fs::path& png, Overwrite overwrite) {
  refuse_special_target(png);
  const DatasetSplit split = find_dataset_splits(path, dataset_name).front();
  const std::string name = png.filename().string();
  if (name.empty()) {
    throw Error(ErrorCategory::kUsage, fmt::format("{} is not the name of a file", png.string()));
  }
  StagedOutput staged(png.parent_path().empty() ? fs::path(".") : png.parent_path(), {name},
                      overwrite);
  ContactSheetLayout layout;
  layout.scale = scale;
  std::string sheet;
  use_split(split, [&](const Dataset& dataset) {
    sheet = encode_png(make_class_sheet(dataset, per_class, layout));
  });
  OutputFile file(staged.staging_path(name));
  file.write(sheet);
  file.finish();
  staged.commit();
}

}  // namespace narrow
