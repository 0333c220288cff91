// One TensorProto of an ONNX file: what it says of itself, and where its values lie.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "checkpoint/container/wire_cursor.h"
#include "checkpoint/onnx/onnx_layout.h"

namespace narrow {

// Reads the message messages[message], at the begin of which `cursor` stands, to its end. Adds to
// `messages` the field with the values if that has a length. The name is the one that the message
// has. Throws what scan_onnx throws.
OnnxTensor scan_onnx_tensor(WireCursor& cursor, std::size_t message,
                            std::vector<OnnxMessage>& messages);

}  // namespace narrow
