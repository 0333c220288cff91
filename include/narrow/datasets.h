// Datasets and published checkpoints: fetched, converted into TF-Slim's TFRecord files, and looked
// at.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/export.h"
#include "narrow/overwrite.h"
#include "narrow/run_options.h"

namespace narrow {

struct DownloadOptions {
  // One of downloadable_names().
  std::string name;
  std::filesystem::path directory;  // where the result goes; created when missing
  // Instead of the published source: the address of a mirror, or a local archive. For
  // fashion_mnist, which is never fetched, the directory with the four IDX files.
  std::string source = {};
  // Of the archive: "sha256:HEX", "md5:HEX" or the digits alone. Empty: the publisher's, if there
  // is one and the source is the publisher's.
  std::string checksum = {};
  bool keep_archive = false;             // cifar10: do not remove a downloaded archive
  Overwrite overwrite = Overwrite::kNo;  // make a result that is there and whole again
  int attempts = 4;
  std::chrono::milliseconds first_wait{1000};  // before the second attempt; then doubling
};

struct DownloadedFile {
  std::filesystem::path path;
  std::uint64_t size_bytes = 0;
  std::uint64_t records = 0;  // 0 for what is no TFRecord file
};

struct DownloadOutcome {
  bool was_complete = false;  // everything was there and whole; nothing was done
  std::vector<DownloadedFile> files;
  // Of the archive, in hexadecimal; empty when none was read.
  std::string archive_md5;
  std::string archive_sha256;
};

// Progress is in bytes of a source that have arrived, and in images written to a file. Stopped in
// the first, the bytes are kept for the next run; stopped in the second, nothing is changed. Notes
// are of retries and of damaged files that are made again.
class NARROW_EXPORT DownloadObserver : public Observer {
 public:
  // The progress that follows is about what comes from this address.
  virtual void on_source(const std::string& /*url*/) {}
  // The progress that follows is about this file.
  virtual void on_file(const std::string& /*name*/) {}
};

// The names that `download` knows.
NARROW_EXPORT std::vector<std::string> downloadable_names();

// Fetches, verifies and converts. Results appear whole or not at all.
// Throws Error: kUsage for an unknown name or checksum; kNotFound, kCorrupt, kIo and kInterrupted
// depending on the source, the archive and the disk; kExists for a checkpoint that is there.
NARROW_EXPORT DownloadOutcome download(const DownloadOptions& options,
                                       const RunOptionsFor<DownloadObserver>& run = {});

struct InspectedClass {
  std::string name;
  std::uint64_t images = 0;
};

struct InspectedSplit {
  std::string dataset_name;
  std::filesystem::path path;  // of shards: DIR/validation-*-of-00002
  std::uint64_t files = 1;     // shards
  std::uint64_t size_bytes = 0;
  std::uint64_t records = 0;
  std::uint64_t published_records = 0;  // what the publisher counted in this split; 0: not known
  // The label of the first class: what --labels_offset has to be for classes that begin at 0.
  int first_label = 0;
  std::vector<InspectedClass> classes;  // by label, from first_label on
  // Labels that records have; 0 without records.
  int min_label = 0;
  int max_label = 0;
  // Of the images, in pixels; 0 without records.
  int min_height = 0;
  int max_height = 0;
  int min_width = 0;
  int max_width = 0;
};

// Reads every record of a TFRecord file, or of every split of a known dataset in a directory, in
// one file or in shards: checksums, labels, and every image decoded. `dataset_name` says whose
// classes a file has; empty: its name does (cifar10_test.tfrecord). Labels may begin above 0 where
// labels.txt says so, and at 1 where there is none. Throws Error(kNotFound) for no such file, a
// directory without one or a shard that is missing, Error(kUsage) for a file whose dataset is not
// known, Error(kCorrupt) naming the first bad record.
NARROW_EXPORT std::vector<InspectedSplit> inspect_dataset(const std::filesystem::path& path,
                                                          std::string_view dataset_name = {});

// Writes a PNG file with the first `per_class` images of every class of `path` (of a directory the
// first split), a row a class, every pixel as scale x scale. Throws Error as above, kUsage for an
// empty or too large picture, kExists.
NARROW_EXPORT void write_contact_sheet(const std::filesystem::path& path,
                                       std::string_view dataset_name, int per_class, int scale,
                                       const std::filesystem::path& png, Overwrite overwrite);

}  // namespace narrow
