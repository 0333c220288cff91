// The records of several TFRecord files, numbered through from the first file to the last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/records/tfrecord.h"

namespace narrow {

// More shards than this are opened for each read.
constexpr std::size_t kMaxOpenShards = 128;

// Safe to use from several threads.
class TfRecordShards {
 public:
  // At least one file, in shard order. `name` stands for all of them in reports; empty: that of the
  // first file. Throws what TfRecordFile does.
  explicit TfRecordShards(const std::vector<std::filesystem::path>& files,
                          std::filesystem::path name = {});

  [[nodiscard]] const std::filesystem::path& path() const { return name_; }
  [[nodiscard]] const std::vector<TfRecordFile>& files() const { return files_; }
  [[nodiscard]] std::uint64_t size_bytes() const;
  [[nodiscard]] std::size_t size() const { return end_of_file_.back(); }

  // As those of TfRecordFile; the description counts within the file it names.
  void read(std::size_t index, std::vector<std::byte>& record) const;
  [[nodiscard]] std::string describe(std::size_t index) const;

 private:
  struct Place {
    const TfRecordFile& file;
    std::size_t index;
  };
  [[nodiscard]] Place place_of(std::size_t index) const;

  std::filesystem::path name_;
  std::vector<TfRecordFile> files_;
  std::vector<std::size_t> end_of_file_;  // the number of records up to the end of each file
};

}  // namespace narrow
