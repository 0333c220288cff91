// convert_checkpoint for whoever has to know of every tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "narrow/convert_checkpoint.h"

namespace narrow {

// Called in order, once the writer has the values of tensor `tensor` of the plan: so many finite
// ones became infinite.
using TensorConverted = std::function<void(std::size_t tensor, std::uint64_t overflows)>;

// See convert_checkpoint.
void convert_tensors(const CheckpointReader& reader, const ConvertPlan& plan,
                     CheckpointWriter& writer, const RunOptions& run, const TensorConverted& done);

}  // namespace narrow
