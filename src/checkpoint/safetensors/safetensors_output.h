// A safetensors file whose values come in any order: for writers that know every size beforehand,
// but not every value and not all of the metadata.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/container/single_file_output.h"
#include "checkpoint/safetensors/safetensors_places.h"
#include "narrow/tensor.h"

namespace narrow {

class SafetensorsOutput {
 public:
  // Where the data begin in the file is a multiple of this.
  static constexpr std::size_t kDataAlignment = 64;

  using Metadata = std::map<std::string, std::string>;

  // The tensors lie in the file in the order given; names are unique and every type is one that
  // safetensors has. `metadata` need not be right yet, but every text must have its final length.
  // Throws what SingleFileOutput and build_safetensors_header throw.
  SafetensorsOutput(const std::filesystem::path& path, Overwrite overwrite,
                    std::vector<TensorInfo> tensors, const Metadata& metadata);

  // Bytes of tensor `index` of `tensors` from `byte_offset` on.
  void write_at(std::size_t index, std::uint64_t byte_offset, std::span<const std::byte> bytes);

  // After every byte of every tensor: writes the header and gives the file its final name.
  // Throws Error(kUsage) when bytes are missing or the header has changed its length.
  void finish(const Metadata& metadata);

  [[nodiscard]] std::uint64_t file_bytes() const { return places_.file_bytes; }

 private:
  std::vector<TensorInfo> tensors_;
  SafetensorsPlaces places_;
  std::uint64_t bytes_written_ = 0;
  BasicSingleFileOutput<ScatteredOutputFile> output_;
};

}  // namespace narrow
