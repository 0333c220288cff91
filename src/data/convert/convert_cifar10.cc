#include <fmt/format.h>

#include "data/convert/cifar10_archive.h"
#include "data/convert/split_writer.h"
#include "data/download/archive_source.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::uint64_t kMaxArchiveBytes = std::uint64_t{1} << 30;
constexpr std::uint32_t kMaxRowsPerBatch = 1000000;
constexpr std::size_t kTrainingBatches = 5;

DownloadRequest archive_request(const std::filesystem::path& directory,
                                const Cifar10Options& options) {
  const PublishedArchive& published = published_cifar10(options.published);
  DownloadRequest request;
  request.url = options.source.empty() ? std::string(published.url) : options.source;
  request.destination = directory / published.file_name;
  request.expected = options.expected;
  if (options.source.empty() && !request.expected) {
    request.expected = Digest{DigestAlgorithm::kMd5, std::string(published.md5)};
  }
  request.max_bytes = kMaxArchiveBytes;
  request.attempts = options.attempts;
  request.first_wait = options.first_wait;
  return request;
}

LabeledImage row_of(const CifarBatch& batch, std::size_t row) {
  return {cifar10_image(batch, row), batch.labels[row]};
}

}  // namespace

ConvertResult convert_cifar10(const std::filesystem::path& directory, const Cifar10Options& options,
                              ConvertObserver& observer) {
  const std::uint32_t rows = options.rows_per_batch;
  if (rows == 0 || rows > kMaxRowsPerBatch) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} images a batch; 1..{} are possible", rows, kMaxRowsPerBatch));
  }
  const DatasetSpec& spec = find_dataset_spec("cifar10");
  ConvertResult result;
  const auto is_complete = [&] {
    return !options.redo && find_complete_dataset(directory, spec, {kTrainingBatches * rows, rows},
                                                  observer, &result);
  };
  if (is_complete()) return result;
  // Before the download, for which other processes wait too.
  DatasetOutput output(directory, spec);
  if (output.has_waited() && is_complete()) return result;
  const ArchiveFile archive = obtain_archive(archive_request(directory, options), observer);
  result.archive_digests = archive.digests;
  for (const auto kind : {Cifar10Archive::kPython, Cifar10Archive::kBinary}) {
    if (archive.digests.md5 == published_cifar10(kind).md5) result.is_published_archive = true;
  }
  const Cifar10Batches batches = read_cifar10_archive(archive.path, rows);
  const std::vector<SplitSource> sources = {
      {kTrainingBatches * rows,
       [&](std::size_t row) { return row_of(batches[row / rows], row % rows); }},
      {rows, [&](std::size_t row) { return row_of(batches[kTrainingBatches], row); }}};
  output.write(sources, observer, &result);
  if (archive.is_downloaded && !options.keep_archive) std::filesystem::remove(archive.path);
  return result;
}

}  // namespace narrow
