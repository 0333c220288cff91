// The refusals of writers whose format does not have the type of a tensor, or metadata.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "narrow/tensor.h"

namespace narrow {

// Throws Error(kUnsupported): `container` ("a safetensors file", ...) cannot hold the tensor. Its
// remedy names the output formats that can.
[[noreturn]] void throw_cannot_hold(std::string_view container, const TensorInfo& info);

// For formats without a place for metadata. Throws Error(kUnsupported) when there are any.
void refuse_metadata(const std::map<std::string, std::string>& metadata);

}  // namespace narrow
