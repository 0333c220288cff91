// What the writers of TensorFlow V2 checkpoints share: which tensors there may be, and the index.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/crc32c.h"
#include "narrow/tensor.h"

namespace narrow {

// A tensor in the only data file.
struct V2Entry {
  TensorInfo info;
  std::uint64_t byte_offset = 0;
  std::uint64_t byte_count = 0;
  std::uint32_t masked_crc = mask_crc(0);
};

// Throws Error(kUnsupported) for a name or type that the format does not have.
void require_v2_tensor(const TensorInfo& info);

// `prefix`. Throws Error(kUsage) when it has no file name.
std::filesystem::path checked_v2_prefix(const std::filesystem::path& prefix);

// Writes the index of `entries`, which are in any order. Throws Error(kIo).
void write_v2_index(const std::filesystem::path& path, std::vector<V2Entry> entries);

}  // namespace narrow
