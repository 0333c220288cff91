#include "checkpoint/safetensors/safetensors_output.h"

#include <fmt/format.h>

#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "checkpoint/safetensors/safetensors_header.h"
#include "narrow/error.h"

namespace narrow {

SafetensorsOutput::SafetensorsOutput(const std::filesystem::path& path, Overwrite overwrite,
                                     std::vector<TensorInfo> tensors, const Metadata& metadata)
    : tensors_(std::move(tensors)),
      header_bytes_(build_safetensors_header(tensors_, metadata, kDataAlignment).size()),
      output_(path, overwrite) {
  for (const TensorInfo& info : tensors_) {
    begins_.push_back(data_bytes_);
    data_bytes_ += info.byte_size();
  }
}

void SafetensorsOutput::write_at(std::size_t index, std::uint64_t byte_offset,
                                 std::span<const std::byte> bytes) {
  const TensorInfo& info = tensors_.at(index);
  if (!range_fits(byte_offset, std::uint64_t{bytes.size()}, info.byte_size())) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} bytes at byte {} of tensor {} are beyond its {} bytes",
                            bytes.size(), byte_offset, info.name, info.byte_size()));
  }
  output_.file().write_at(header_bytes_ + begins_[index] + byte_offset, bytes);
  bytes_written_ += bytes.size();
}

void SafetensorsOutput::finish(const Metadata& metadata) {
  const std::string header = build_safetensors_header(tensors_, metadata, kDataAlignment);
  if (bytes_written_ != data_bytes_ || header.size() != header_bytes_) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} of {} bytes of values were written under a header of {} bytes "
                            "instead of {}; write all values before finish",
                            bytes_written_, data_bytes_, header.size(), header_bytes_));
  }
  output_.file().write_at(0, as_byte_span(header));
  output_.file().finish();
  output_.commit();
}

}  // namespace narrow
