// Finds what OnnxLayout lists.
#pragma once

#include "base/file.h"
#include "checkpoint/onnx/onnx_layout.h"

namespace narrow {

// Reads `file` but for the values of tensors. Throws Error: kCorrupt, with the byte or the tensor,
// for what is no ModelProto or does not hold the values that its shapes demand; kUnsupported for
// values in several pieces.
OnnxLayout scan_onnx(const InputFile& file);

}  // namespace narrow
