// A quantized network as QONNX has it: real numbers, and Quant nodes that say how they are rounded.
#pragma once

#include <string_view>

#include "onnx_model.pb.h"

namespace narrow {

// The domain of Quant, and its names in older files.
inline constexpr std::string_view kQonnxDomain = "qonnx.custom_op.general";
bool is_qonnx_domain(std::string_view domain);

// Of a model of QuantizeLinear and DequantizeLinear:
// - the two behind each other become one Quant, with a Clip before them whose bounds are those of
//   the width;
// - stored codes become numbers, with a Quant of the fewest bits that hold the codes;
// - stored 32-bit codes, of biases, become numbers.
// Throws Error(kUnsupported) naming a node that Quant cannot say.
onnx::ModelProto to_qonnx(onnx::ModelProto model);

}  // namespace narrow
