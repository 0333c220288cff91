// From the bytes of an NPY array to row-major, little-endian values.
#pragma once

#include <memory>

#include "checkpoint/npz/npy_header.h"
#include "narrow/checkpoint.h"

namespace narrow {

// `source` delivers the bytes from the beginning of the NPY header, which is skipped. A
// Fortran-ordered array of several dimensions is held whole in memory from the first read on;
// everything else needs bounded memory.
std::unique_ptr<TensorStream> open_npy_values(std::unique_ptr<TensorStream> source,
                                              const NpyHeader& header, const std::string& name);

}  // namespace narrow
