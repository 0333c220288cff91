// The network of an ONNX file that is read as a checkpoint.
#pragma once

#include "graph/graph.h"
#include "narrow/checkpoint.h"

namespace narrow {

// Whether the checkpoint is an ONNX file, which says itself what its network is.
bool is_onnx(const CheckpointReader& reader);

// The graph of an ONNX file; its weights are tensors of `reader` under their own names. What the
// graph holds itself, its constants, has the values that `reader` gives, not those of the file:
// these differ when the reader quantizes. So nothing that is computed from constants later knows
// other values than the reader's. Where the reader sees codes dequantized, the graph reads these
// numbers. Integers are constants, unless those of the file take more than 64 MiB: then large ones
// are weights too. Throws what opening the file, reading tensors and import_onnx throw;
// Error(kUnsupported) for constants that take too much memory. Sentences name the file.
Graph onnx_network(const CheckpointReader& reader);

}  // namespace narrow
