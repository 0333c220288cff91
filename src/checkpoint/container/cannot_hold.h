// The refusal of a writer whose format does not have the type of a tensor.
#pragma once

#include <string_view>

#include "narrow/tensor.h"

namespace narrow {

// Throws Error(kUnsupported): `container` ("a safetensors file", ...) cannot hold the tensor. Its
// remedy names the output formats that can.
[[noreturn]] void throw_cannot_hold(std::string_view container, const TensorInfo& info);

}  // namespace narrow
