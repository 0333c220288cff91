// Checkpoints as GGUF files in the types of llama.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/overwrite.h"
#include "narrow/run_options.h"
#include "narrow/tensor.h"

namespace narrow {

// Why a tensor has the type that it has.
enum class GgufChoice : std::uint8_t {
  kType,  // it is the one that was asked for
  kRows,  // that has blocks of 32 values, and the rows are no multiple of that: F16
  kKept,  // llama.cpp does not quantize such tensors, or the values are not computed with
};

// "type", "rows", "kept".
NARROW_EXPORT std::string to_string(GgufChoice choice);

struct GgufPackedTensor {
  TensorInfo info;   // of the input
  std::string type;  // in the file: "Q8_0"
  GgufChoice choice = GgufChoice::kType;
  std::uint64_t bytes = 0;  // in the file
};

struct GgufPackResult {
  std::vector<GgufPackedTensor> tensors;
  std::uint64_t file_bytes = 0;
};

struct GgufPackOptions {
  std::string type;                // one of gguf_pack_types()
  std::filesystem::path metadata;  // a GGUF file; empty: the checkpoint itself is one
};

// "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "F16", "BF16", "F32".
NARROW_EXPORT std::vector<std::string> gguf_pack_types();

// Writes the tensors of a checkpoint as the GGUF file `output`, with the metadata of another.
// Rounded to the bit as the Python package gguf 0.19.0 does. The type is for weights with two or
// more dimensions as llama.cpp chooses them (docs/formats.md); others stay what they are in a GGUF
// file, and of floating point become F32 from other formats. What has its type already stays byte
// for byte. Memory does not grow with the checkpoint.
// Throws Error: kUsage for an unknown type; kUnsupported when `metadata` is missing or no GGUF
// file, when it has tensors and these are not those of the checkpoint by name and shape, and for
// tensors that a GGUF file cannot hold; kNumeric for values that the type cannot hold; kExists;
// kIo; kInterrupted.
NARROW_EXPORT GgufPackResult pack_gguf(const CheckpointReader& reader,
                                       const GgufPackOptions& options,
                                       const std::filesystem::path& output, Overwrite overwrite,
                                       const RunOptions& run = {});

}  // namespace narrow
