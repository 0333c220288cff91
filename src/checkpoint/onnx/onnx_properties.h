// The text pairs of a model, metadata_props.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "checkpoint/onnx/onnx_copy.h"
#include "checkpoint/onnx/onnx_layout.h"

namespace narrow {

using OnnxProperties = std::map<std::string, std::string>;

// Those of a file; of a key that is there twice the last value.
OnnxProperties onnx_properties(const OnnxLayout& layout);

// What makes them `wanted`. Those that are right stay where they are.
std::vector<OnnxEdit> edit_properties(const OnnxLayout& layout, const OnnxProperties& wanted);

}  // namespace narrow
