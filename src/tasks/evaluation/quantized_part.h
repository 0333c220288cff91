// Whether what is evaluated is what was quantized.
#pragma once

#include "narrow/checkpoint.h"

namespace narrow {

// A checkpoint with moving averages of its variables (NAME/ExponentialMovingAverage) has two
// networks. True when the one that is not evaluated was quantized and the evaluated one was not:
// because in its largest kernels values repeat as codes make them repeat and those of the other do
// not (the first 65,536 values of 8 kernels are looked at, zeros left out); or because the
// evaluated values are, to the bit, those of `reference` and the others are not.
// `averages`: those are evaluated. `reference` may be the same reader.
// Throws what the readers throw.
bool is_other_part_quantized(const CheckpointReader& reader, const CheckpointReader& reference,
                             bool averages);

}  // namespace narrow
