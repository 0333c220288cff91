// Values of big-endian files.
#pragma once

#include <memory>

#include "narrow/checkpoint.h"

namespace narrow {

// Delivers the big-endian numbers of type `dtype` that `source` gives as little-endian ones; a
// complex number consists of two.
std::unique_ptr<TensorStream> reverse_numbers(std::unique_ptr<TensorStream> source, DType dtype);

}  // namespace narrow
