// A new ONNX file from the description of a network, whose large tensors come in pieces.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "narrow/checkpoint.h"
#include "onnx_model.pb.h"

namespace narrow {

// Protobuf does not parse more; https://protobuf.dev/programming-guides/proto-limits/
inline constexpr std::uint64_t kMostOnnxBytes = std::uint64_t{1} << 31;

// Initializers of the graph of `model` that have elements but no values get theirs from the writer:
// all of them, in their order, under their names. Where the file would have `most_bytes` or more,
// they lie in PATH.data, each aligned to 4096 bytes.
// Throws Error as create_checkpoint does, and kUnsupported when the rest alone is too large.
std::unique_ptr<CheckpointWriter> create_onnx_file(const onnx::ModelProto& model,
                                                   const std::filesystem::path& path,
                                                   Overwrite overwrite,
                                                   std::uint64_t most_bytes = kMostOnnxBytes);

}  // namespace narrow
