// Writes the pickle that torch.save would write for an OrderedDict of tensors.
#pragma once

#include <string>
#include <vector>

#include "narrow/tensor.h"

namespace narrow {

// Protocol 2; tensor i is contiguous and alone in storage "i". Only what torch.load takes with
// weights_only=True. Every tensor has a type that pytorch_type_of knows.
std::string build_pickle(const std::vector<TensorInfo>& tensors);

}  // namespace narrow
