// Reading safetensors: the header is parsed at once, values are read where they lie.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/safetensors/safetensors_header.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// The JSON text of `file`. Throws Error(kCorrupt) for a length that cannot be.
std::string read_header_text(const InputFile& file) {
  std::array<std::byte, kSafetensorsPrefixBytes> prefix{};
  file.read_at(0, prefix);
  const auto header_bytes = load_le<std::uint64_t>(prefix.data());
  const std::uint64_t limit =
      std::min(file.size() - kSafetensorsPrefixBytes, kMaxSafetensorsHeaderBytes);
  if (header_bytes > limit) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} announces a header of {} bytes, but at most {} are possible in a "
                            "file of {} bytes: it is truncated or damaged",
                            file.path().string(), header_bytes, limit, file.size()));
  }
  std::string text(header_bytes, '\0');
  file.read_at(kSafetensorsPrefixBytes, std::as_writable_bytes(std::span(text)));
  return text;
}

class SafetensorsReader final : public CheckpointReader {
 public:
  explicit SafetensorsReader(const CheckpointLocation& location)
      : location_(location), file_(location.path) {
    const std::string text = read_header_text(file_);
    data_offset_ = kSafetensorsPrefixBytes + text.size();
    SafetensorsHeader header =
        parse_safetensors_header(text, file_.size() - data_offset_, file_.path().string());
    metadata_ = std::move(header.metadata);
    tensors_.reserve(header.entries.size());
    for (SafetensorsEntry& entry : header.entries) {
      tensors_.push_back(std::move(entry.info));
      begins_.push_back(entry.begin);
    }
  }

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override { return metadata_; }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    const TensorInfo& info = tensors_.at(index);
    return std::make_unique<FileRangeStream>(file_, info.name, data_offset_ + begins_[index],
                                             info.byte_size());
  }

 private:
  CheckpointLocation location_;
  InputFile file_;
  std::uint64_t data_offset_ = 0;
  std::vector<TensorInfo> tensors_;
  std::vector<std::uint64_t> begins_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace

bool looks_like_safetensors(const InputFile& file) {
  std::array<std::byte, kSafetensorsPrefixBytes + 1> start{};
  if (file.size() < start.size()) return false;
  file.read_at(0, start);
  const auto header_bytes = load_le<std::uint64_t>(start.data());
  return header_bytes > 0 && header_bytes <= file.size() - kSafetensorsPrefixBytes &&
         start.back() == std::byte{'{'};
}

std::unique_ptr<CheckpointReader> open_safetensors(const CheckpointLocation& location) {
  return std::make_unique<SafetensorsReader>(location);
}

}  // namespace narrow
