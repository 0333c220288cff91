#include "data/convert/split_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/parallel.h"
#include "base/staging/interrupted_results.h"
#include "base/staging/staged_output.h"
#include "data/records/example.h"
#include "narrow/error.h"

namespace narrow {

namespace {

namespace fs = std::filesystem;

// Images encoded in parallel before they are written in order.
constexpr std::size_t kChunk = 500;

// Why the file is not the split it should be; empty when it is.
std::string find_fault(const fs::path& path, std::uint64_t expected, ConvertedSplit* split) {
  try {
    const TfRecordFile file(path);
    if (file.size() != expected) {
      return fmt::format("{} has {} records instead of {}", path.string(), file.size(), expected);
    }
    std::vector<std::byte> record;
    for (std::size_t i = 0; i < file.size(); ++i) file.read(i, record);
    split->path = path;
    split->records = file.size();
    split->size_bytes = file.size_bytes();
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

void write_labels(const fs::path& path, const DatasetSpec& spec) {
  OutputFile out(path);
  out.write(format_labels(spec.classes));
  out.finish();
}

void write_missing_labels(const fs::path& directory, const DatasetSpec& spec) {
  const std::string name(kLabelsFileName);
  try {
    StagedOutput staged(directory, {name}, Overwrite::kNo);
    write_labels(staged.staging_path(name), spec);
    staged.commit();
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::kExists) throw;  // another process was faster
  }
}

std::vector<std::string> names_of_files(const DatasetSpec& spec) {
  std::vector<std::string> names;
  for (const SplitSpec& split : spec.splits) names.push_back(split.file_name);
  names.emplace_back(kLabelsFileName);
  return names;
}

std::string encode_record(const LabeledImage& labeled) {
  return serialize_image_example(
      {encode_png(labeled.image), "png", labeled.label, labeled.image.height, labeled.image.width});
}

std::uint64_t write_split(const fs::path& path, const std::string& name, const SplitSource& source,
                          ConvertObserver& observer) {
  observer.on_file(name);
  OutputFile out(path);
  TfRecordWriter writer(out);
  std::vector<std::string> encoded;
  for (std::size_t first = 0; first < source.records; first += kChunk) {
    encoded.resize(std::min<std::size_t>(kChunk, source.records - first));
    parallel_for(encoded.size(),
                 [&](std::size_t i) { encoded[i] = encode_record(source.image(first + i)); });
    for (const std::string& record : encoded) writer.write(as_byte_span(record));
    if (!observer.on_progress(first + encoded.size(), source.records, ProgressUnit::kImages)) {
      throw Error(ErrorCategory::kInterrupted,
                  fmt::format("writing {} was stopped after {} of {} images; nothing was changed",
                              name, first + encoded.size(), source.records));
    }
  }
  out.finish();
  return out.bytes_written();
}

}  // namespace

bool find_complete_dataset(const fs::path& directory, const DatasetSpec& spec,
                           const std::vector<std::uint64_t>& records, ConvertObserver& observer,
                           ConvertResult* result) {
  settle_results(directory, {}, Leftovers::kFinish);
  std::vector<std::string> faults;
  bool anything_there = false;
  ConvertResult found;
  for (std::size_t i = 0; i < spec.splits.size(); ++i) {
    const fs::path path = directory / spec.splits[i].file_name;
    ConvertedSplit split{spec.splits[i].name, {}, 0, 0};
    const bool is_there = fs::exists(path);
    anything_there = anything_there || is_there;
    const std::string fault = is_there ? find_fault(path, records.at(i), &split)
                                       : fmt::format("{} is missing", path.string());
    if (!fault.empty()) faults.push_back(fault);
    found.splits.push_back(std::move(split));
  }
  if (!faults.empty()) {
    if (anything_there) {
      observer.on_note(fmt::format("{}; the dataset is made anew", faults.front()));
    }
    return false;
  }
  found.was_complete = true;
  found.labels = directory / kLabelsFileName;
  if (!fs::exists(found.labels)) write_missing_labels(directory, spec);
  *result = std::move(found);
  return true;
}

DatasetOutput::DatasetOutput(fs::path directory, const DatasetSpec& spec)
    : directory_(std::move(directory)),
      spec_(spec),
      staged_(directory_, names_of_files(spec), Overwrite::kYes) {}

void DatasetOutput::write(const std::vector<SplitSource>& sources, ConvertObserver& observer,
                          ConvertResult* result) {
  for (std::size_t i = 0; i < spec_.splits.size(); ++i) {
    const SplitSpec& split = spec_.splits[i];
    const std::uint64_t bytes = write_split(staged_.staging_path(split.file_name), split.file_name,
                                            sources.at(i), observer);
    result->splits.push_back({split.name, directory_ / split.file_name, sources[i].records, bytes});
  }
  write_labels(staged_.staging_path(std::string(kLabelsFileName)), spec_);
  staged_.commit();
  result->labels = directory_ / kLabelsFileName;
}

}  // namespace narrow
