// Chunks as they were before the filters.
#pragma once

#include <cstddef>
#include <vector>

#include "checkpoint/hdf5/structure/hdf5_dataset.h"

namespace narrow {

// The values of a chunk, as many as its shape says. Throws Error(kCorrupt) for a size that its
// bytes in the file cannot give, before memory is taken, for damaged compressed data and a wrong
// checksum.
std::vector<std::byte> decode_hdf5_chunk(const Hdf5File& file, const Hdf5Dataset& dataset,
                                         const Hdf5Chunk& chunk);

}  // namespace narrow
