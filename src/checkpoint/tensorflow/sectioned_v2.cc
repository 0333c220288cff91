// The values of a TensorFlow V2 checkpoint lie one after the other in its data file; strings, of
// which the sizes are known only when they are encoded, are kept and written at the end.
#include <map>
#include <utility>

#include "base/bytes.h"
#include "checkpoint/container/cannot_hold.h"
#include "checkpoint/container/sectioned_checkpoint.h"
#include "checkpoint/tensorflow/state_file.h"
#include "checkpoint/tensorflow/string_values.h"
#include "checkpoint/tensorflow/v2_index.h"
#include "checkpoint/tensorflow/v2_index_writer.h"
#include "checkpoint/tensorflow/value_checksum.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

class V2SectionWriter final : public SectionWriter {
 public:
  using SectionWriter::SectionWriter;

  void add(const TensorInfo& info) override {
    SectionWriter::add(info);
    // Strings have one that is known already, and are no values for this kind.
    checksums_.emplace_back(info.dtype == DType::kString ? TensorInfo() : info);
  }
  [[nodiscard]] std::uint32_t checksum(std::size_t index) const override {
    return checksums_[index].masked();
  }

 protected:
  void add_to_checksum(std::size_t index, std::span<const std::byte> values) override {
    checksums_[index].add(values);
  }

 private:
  std::vector<ValueChecksum> checksums_;
};

class SectionedV2 final : public SectionedCheckpoint {
 public:
  SectionedV2(const fs::path& prefix, std::vector<TensorInfo> tensors, const StringsOf& strings)
      : prefix_(checked_v2_prefix(prefix)) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      require_v2_tensor(tensors[i]);
      V2Entry& entry = entries_.emplace_back();
      entry.info = std::move(tensors[i]);
      entry.byte_offset = data_bytes_;
      entry.byte_count = entry.info.byte_size();
      if (entry.info.dtype == DType::kString) {
        EncodedStrings encoded = encode_strings(strings(i));
        entry.byte_count = encoded.bytes.size();
        strings_.emplace(i, std::move(encoded));
      }
      data_bytes_ += entry.byte_count;
    }
  }

  [[nodiscard]] std::vector<std::string> names() const override {
    return {v2_data_path(prefix_, 0, 1).filename().string(),
            v2_index_path(prefix_).filename().string()};
  }
  [[nodiscard]] std::optional<LateFile> late_file() const override {
    return LateFile{
        .name = kStateFileName, .note = prefix_.filename().string(), .content = state_file_text};
  }
  [[nodiscard]] std::size_t file_of(std::size_t /*tensor*/) const override { return 0; }
  [[nodiscard]] std::unique_ptr<SectionWriter> write(const fs::path& path, std::size_t first,
                                                     std::size_t last) const override {
    std::vector<std::uint64_t> begins;
    for (std::size_t i = first; i < last; ++i) begins.push_back(entries_[i].byte_offset);
    return std::make_unique<V2SectionWriter>(path, std::move(begins));
  }
  void complete(const PathOf& path_of, std::span<const std::uint32_t> checksums) const override {
    const std::vector<std::string> names = this->names();
    std::vector<V2Entry> entries = entries_;
    ScatteredOutputFile data(path_of(names.front()), ScatteredOutputFile::Existing::kKeep);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto found = strings_.find(i);
      if (found == strings_.end()) {
        entries[i].masked_crc = checksums[i];
        continue;
      }
      data.write_at(entries[i].byte_offset, as_byte_span(found->second.bytes));
      entries[i].masked_crc = found->second.masked_crc;
    }
    data.resize(data_bytes_);
    data.finish();
    write_v2_index(path_of(names.back()), std::move(entries));
  }

 private:
  fs::path prefix_;
  std::vector<V2Entry> entries_;
  std::map<std::size_t, EncodedStrings> strings_;
  std::uint64_t data_bytes_ = 0;
};

}  // namespace

std::unique_ptr<SectionedCheckpoint> section_tensorflow_v2(
    const fs::path& prefix, std::vector<TensorInfo> tensors, const StringsOf& strings,
    const std::map<std::string, std::string>& metadata) {
  refuse_metadata(metadata);
  return std::make_unique<SectionedV2>(prefix, std::move(tensors), strings);
}

}  // namespace narrow
