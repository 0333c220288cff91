// The network of an ONNX file written anew with levelled channels. Internal to this folder.
#pragma once

#include <memory>

#include "narrow/checkpoint.h"
#include "narrow/run_options.h"

namespace narrow {

// As NetworkExportOptions::equalize makes it, in a temporary folder that goes with the reader.
// Throws what export_network throws.
std::shared_ptr<const CheckpointReader> levelled_network(const CheckpointLocation& model,
                                                         const RunOptions& run);

}  // namespace narrow
