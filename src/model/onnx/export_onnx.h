// A graph as an ONNX model.
#pragma once

#include "graph/graph.h"
#include "narrow/checkpoint.h"
#include "onnx_model.pb.h"

namespace narrow {

// The model that says what the graph says. Inputs, outputs and nodes keep their names; constants
// are initializers with values, weights are initializers without, named like the weight and of the
// shape that operators have: who writes the file gives them values, in the order of Graph::weights.
// The opset is the lowest from 17 to 25 that has all operators as they are here, the IR version the
// oldest that has that opset.
// Throws Error(kUnsupported) for a type that ONNX lacks, or where the graph does not say which
// small type (small_types.h) a dequantized input has; what infer_facts throws.
onnx::ModelProto export_onnx(const Graph& graph);

// Adds the texts of an ONNX file that describe its network, not how the file was made; nothing of
// other checkpoints.
void copy_metadata(const CheckpointReader& reader, onnx::ModelProto& model);

}  // namespace narrow
