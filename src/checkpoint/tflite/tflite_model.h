// The constants of a TFLite model and what its operators do with them.
// https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/file.h"
#include "narrow/tensor.h"

namespace narrow {

// How codes stand for values: scale * (code - zero).
struct TfliteCodes {
  unsigned bits = 0;  // of a code: 2, 4, 8, 16, 32 or 64; 0 where the values themselves lie there
  bool is_signed = true;
  // One each, or one for every index of an axis; no scale: the codes are the values.
  std::uint64_t scales_offset = 0;  // float32
  std::uint64_t zeros_offset = 0;   // int64
  std::uint32_t scales = 0;
  std::uint32_t zeros = 0;  // 0: they are 0
  std::uint64_t inner = 1;  // elements in a row that have the same index of that axis
};

struct TfliteTensor {
  TensorInfo info;
  std::uint64_t offset = 0;  // of the values in the file
  std::uint64_t bytes = 0;
  TfliteCodes codes;
  std::uint64_t sparsity = 0;  // where the table lies that says where the values belong; 0: dense
};

// Reads `file` but for the values. Every tensor whose buffer has bytes is there, subgraph after
// subgraph in the order of the file, under a name of its own. Throws Error: kCorrupt for what is no
// TFLite model or has not the values that a shape demands; kUnsupported for a model of another
// version than 3.
std::vector<TfliteTensor> scan_tflite(const InputFile& file);

}  // namespace narrow
