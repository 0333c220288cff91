// Where everything lies in a safetensors file, which follows from its tensors and metadata.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "narrow/tensor.h"

namespace narrow {

struct SafetensorsPlaces {
  std::string header;                 // from the first byte of the file
  std::vector<std::uint64_t> begins;  // of each tensor in the file
  std::uint64_t file_bytes = 0;
};

// Throws what build_safetensors_header throws.
SafetensorsPlaces safetensors_places(const std::vector<TensorInfo>& tensors,
                                     const std::map<std::string, std::string>& metadata,
                                     std::size_t alignment = 8);

// Gives the file at `path`, which holds all values, its header and size. Throws Error(kIo).
void complete_safetensors(const std::filesystem::path& path, const SafetensorsPlaces& places);

}  // namespace narrow
