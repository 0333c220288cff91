// The model of an ONNX file without the values of its large tensors, for those who want the graph.
#pragma once

#include <cstdint>
#include <filesystem>

#include "onnx_model.pb.h"

namespace narrow {

// The whole message. Of the tensors that an ONNX file has as a checkpoint (initializers, values of
// Constant nodes) those whose values take more than `most_value_bytes` in the file come without
// them; others and external data are as the file has them.
// Throws what opening the file as a checkpoint throws, and Error(kCorrupt) for what protobuf cannot
// parse.
onnx::ModelProto read_onnx_message(const std::filesystem::path& path,
                                   std::uint64_t most_value_bytes);

// Whether the tensor has elements, but neither their values nor the name of a file that has them.
bool lacks_values(const onnx::TensorProto& tensor);

}  // namespace narrow
