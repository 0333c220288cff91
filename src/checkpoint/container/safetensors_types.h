// The types of elements that safetensors files have, by name. Other containers ask, too: to say
// which file could hold what they cannot.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "narrow/tensor.h"

namespace narrow {

// "F32" and so on: the type of a tensor as the header names it; nothing for a type that safetensors
// does not have.
std::optional<std::string> safetensors_type_name(const TensorInfo& info);
// Sets the type of `info` to the one that the header calls `name`, kOpaque if that is not computed
// with; the size of opaque values is not known then.
void set_safetensors_type(std::string_view name, TensorInfo* info);

}  // namespace narrow
