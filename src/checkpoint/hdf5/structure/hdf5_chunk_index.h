// Where the chunks of a dataset lie.
#pragma once

#include <cstdint>

#include "checkpoint/hdf5/structure/hdf5_dataset.h"

namespace narrow {

// These set dataset->chunks; chunk_shape, shape and filters are there already. Every chunk lies in
// the file and in the grid of the dataset, none comes twice. Throw Error(kCorrupt).

// A version 1 B-tree of chunks (III.A.1); kNoHdf5Address for a dataset without chunks.
void read_hdf5_chunk_tree(const Hdf5File& file, std::uint64_t address, Hdf5Dataset* dataset);

// What a layout message of version 4 or 5 says after the shape of the chunks (IV.A.2.i, VII): one
// chunk, chunks in order, a fixed array (VII.C) or an extensible one (VII.D). Throws
// Error(kUnsupported) for a version 2 B-tree, which datasets have that grow in two directions.
void read_hdf5_chunk_index_4(const Hdf5File& file, bool is_single_filtered, Hdf5Cursor layout,
                             Hdf5Dataset* dataset);

}  // namespace narrow
