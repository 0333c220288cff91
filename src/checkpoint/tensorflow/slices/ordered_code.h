// Keys under which TensorFlow stores the slices of a tensor: OrderedCode, an encoding of a name and
// numbers whose bytes compare like what they encode. docs/formats.md gives the rules and examples.
#pragma once

#include <string>
#include <string_view>

#include "checkpoint/tensorflow/slices/tensor_slices.h"

namespace narrow {

// The key of one slice of the tensor `name`.
std::string slice_key(std::string_view name, const TensorSlice& slice);

}  // namespace narrow
