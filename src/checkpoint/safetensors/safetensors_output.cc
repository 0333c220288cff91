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
      places_(safetensors_places(tensors_, metadata, kDataAlignment)),
      output_(path, overwrite) {
  output_.file().reserve(0, places_.file_bytes);
}

void SafetensorsOutput::write_at(std::size_t index, std::uint64_t byte_offset,
                                 std::span<const std::byte> bytes) {
  const TensorInfo& info = tensors_.at(index);
  if (!range_fits(byte_offset, std::uint64_t{bytes.size()}, info.byte_size())) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} bytes at byte {} of tensor {} are beyond its {} bytes",
                            bytes.size(), byte_offset, info.name, info.byte_size()));
  }
  output_.file().write_at(places_.begins[index] + byte_offset, bytes);
  bytes_written_ += bytes.size();
}

void SafetensorsOutput::finish(const Metadata& metadata) {
  const std::string header = build_safetensors_header(tensors_, metadata, kDataAlignment);
  const std::uint64_t data_bytes = places_.file_bytes - places_.header.size();
  if (bytes_written_ != data_bytes || header.size() != places_.header.size()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} of {} bytes of values were written under a header of {} bytes "
                            "instead of {}; write all values before finish",
                            bytes_written_, data_bytes, header.size(), places_.header.size()));
  }
  output_.file().write_at(0, as_byte_span(header));
  output_.file().finish();
  output_.commit();
}

}  // namespace narrow
