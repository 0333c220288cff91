// A network as a new ONNX file: TF-Slim's from a checkpoint of its variables, or that of an ONNX
// file with everything that does not depend on its inputs computed. docs/convert.md has the rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/overwrite.h"
#include "narrow/run_options.h"

namespace narrow {

struct NetworkExportOptions {
  std::string model_name = {};  // of TF-Slim; empty: the one that the checkpoint holds
  int image_size = 0;           // of TF-Slim's networks; 0: the network's own
  bool dequantize = false;      // what the network quantizes while it runs stays real numbers
  // Of ONNX files: levels the channels along layers that alone feed each other, so that few bits
  // cost less; a Clip between them becomes Relu and Min, with a limit for each channel.
  bool equalize = false;
  bool use_moving_averages = false;  // NAME/ExponentialMovingAverage in the place of NAME
};

struct ExportedNetwork {
  std::string name;
  std::int64_t opset = 0;
  std::size_t nodes = 0;
  std::size_t weights = 0;
  std::uint64_t weight_bytes = 0;
  std::vector<std::string> inputs;   // "images float32 [N, 3, 224, 224]"
  std::vector<std::string> outputs;  // likewise
};

// Weights go through in pieces; one whose axes change, or that is computed of others (int8 codes
// times a scale), is held whole. Above 2 GB they lie in PATH.data. Progress is in bytes.
// Throws Error: kNotFound when the checkpoint holds no network or lacks a weight, kUsage for
// options that do not fit it, a network without channels to level, kUnsupported for an operator
// that is not known, kExists, kInterrupted, and what reader and writer throw.
NARROW_EXPORT ExportedNetwork export_network(const CheckpointReader& reader,
                                             const NetworkExportOptions& options,
                                             const std::filesystem::path& path, Overwrite overwrite,
                                             const RunOptions& run = {});

}  // namespace narrow
