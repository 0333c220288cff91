// The directory of a TensorFlow V2 checkpoint ("tensor bundle"), as its index file gives it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/tensorflow/slices/tensor_slices.h"
#include "narrow/tensor.h"

namespace narrow {

// Bytes in a data file that were written as one tensor.
struct V2Piece {
  const InputFile* shard = nullptr;
  std::uint64_t byte_offset = 0;
  std::uint64_t byte_count = 0;
  std::uint32_t masked_crc = 0;
};

struct V2Tensor {
  TensorInfo info;
  // One per piece, tiling the tensor; a tensor that is not partitioned has one full slice.
  std::vector<TensorSlice> slices;
  std::vector<V2Piece> pieces;
};

struct V2Index {
  std::map<int, InputFile> shards;  // the data files that hold values, by number
  std::vector<V2Tensor> tensors;    // in order of names
};

// The index of the checkpoint `prefix`. Everything in it is checked against itself and against the
// sizes of the data files. Throws Error: kCorrupt, kUnsupported (big-endian, a newer version, a
// type), kNotFound for a missing file, kIo.
V2Index read_v2_index(const std::filesystem::path& prefix);

// prefix.index and prefix.data-SSSSS-of-NNNNN.
std::filesystem::path v2_index_path(const std::filesystem::path& prefix);
std::filesystem::path v2_data_path(const std::filesystem::path& prefix, int shard, int shard_count);

}  // namespace narrow
