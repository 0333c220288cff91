// What the nodes of an ONNX file make of the codes that a reader sees dequantized.
#pragma once

#include <map>
#include <string>

#include "narrow/checkpoint.h"

namespace narrow {

// By the name of the value in the network: the tensor that has these numbers. Empty for a reader
// that see_dequantized (narrow/dequantized_weights.h) did not make.
std::map<std::string, std::string> dequantized_values(const CheckpointReader& reader);

}  // namespace narrow
