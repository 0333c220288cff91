// The values of datasets.
#pragma once

#include <memory>
#include <string>

#include "checkpoint/hdf5/structure/hdf5_dataset.h"
#include "narrow/checkpoint.h"

namespace narrow {

// The values of a dataset whose type is not text, little-endian. In chunks, all that share an index
// along the first axis are held, decoded; every other layout needs bounded memory. `file` and
// `dataset` must outlive the stream.
std::unique_ptr<TensorStream> open_hdf5_values(const Hdf5File& file, const Hdf5Dataset& dataset,
                                               const std::string& name);

}  // namespace narrow
