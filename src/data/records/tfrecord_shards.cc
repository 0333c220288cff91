#include "data/records/tfrecord_shards.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace narrow {

TfRecordShards::TfRecordShards(const std::vector<std::filesystem::path>& files,
                               std::filesystem::path name)
    : name_(name.empty() ? files.at(0) : std::move(name)) {
  const KeepOpen keep_open = files.size() > kMaxOpenShards ? KeepOpen::kNo : KeepOpen::kYes;
  std::size_t records = 0;
  for (const std::filesystem::path& file : files) {
    records += files_.emplace_back(file, keep_open).size();
    end_of_file_.push_back(records);
  }
}

std::uint64_t TfRecordShards::size_bytes() const {
  std::uint64_t bytes = 0;
  for (const TfRecordFile& file : files_) bytes += file.size_bytes();
  return bytes;
}

TfRecordShards::Place TfRecordShards::place_of(std::size_t index) const {
  const auto end = std::ranges::upper_bound(end_of_file_, index);
  if (end == end_of_file_.end()) throw std::out_of_range("a record beyond the last");
  const auto file = static_cast<std::size_t>(end - end_of_file_.begin());
  return {files_[file], index - (file == 0 ? 0 : end_of_file_[file - 1])};
}

void TfRecordShards::read(std::size_t index, std::vector<std::byte>& record) const {
  const Place place = place_of(index);
  place.file.read(place.index, record);
}

std::string TfRecordShards::describe(std::size_t index) const {
  const Place place = place_of(index);
  return place.file.describe(place.index);
}

}  // namespace narrow
