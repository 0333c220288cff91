// The network of an ONNX file with levelled channels, as export_network makes it.
#pragma once

#include <filesystem>
#include <memory>

#include "narrow/checkpoint.h"
#include "narrow/run_options.h"

namespace narrow {

// In a temporary file that is there as long as the reader. Throws what export_network throws;
// Error(kIo).
std::shared_ptr<const CheckpointReader> levelled_network(const std::filesystem::path& model,
                                                         const RunOptions& run);

}  // namespace narrow
