// The two forms of a file that torch.save writes: their pickle, and where their storages lie.
// https://github.com/pytorch/pytorch/blob/main/torch/serialization.py, _save and _legacy_save.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/npz/zip/zip_directory.h"
#include "checkpoint/pytorch/tensor_tree.h"

namespace narrow {

// A longer pickle is refused: it is held in memory.
inline constexpr std::uint64_t kMaxPickleBytes = std::uint64_t{1} << 28;

struct StoragePlace {
  std::uint64_t byte_offset = 0;  // of the file
  std::uint64_t byte_size = 0;
  std::optional<ZipMember> member;  // in the ZIP form
};

struct PytorchFile {
  std::vector<NamedTensor> tensors;
  std::vector<StoragePlace> storages;  // NamedTensor::storage counts them
};

// A ZIP archive with a member */data.pkl (or data.pkl), which is the pickle; the storage with key N
// is the member */data/N. Throws Error: kCorrupt; kUnsupported for big-endian values and for what
// find_tensors and read_pickle refuse.
PytorchFile read_pytorch_zip(const InputFile& file, const std::string& root_name);

// Whether `file` is a ZIP archive with such a member; false for a damaged one.
bool is_pytorch_zip(const InputFile& file);

// Before PyTorch 1.6 and today on request: five pickles one after another (a magic number, a
// version, what machine wrote it, the values, the keys of the storages in order), then for each
// storage an int64 count and its elements. Throws as the other.
PytorchFile read_pytorch_stream(const InputFile& file, const std::string& root_name);
// Whether the file begins with that magic number.
bool is_pytorch_stream(const InputFile& file);

}  // namespace narrow
