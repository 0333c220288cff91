// The links of a group that has many: messages in a fractal heap (III.G), found by a version 2
// B-tree over their names (III.A.2).
#pragma once

#include <cstdint>
#include <vector>

#include "checkpoint/hdf5/structure/hdf5_links.h"

namespace narrow {

// In the order of the B-tree, which is that of checksums of the names. Throws Error(kCorrupt);
// Error(kUnsupported) for a heap with filters or with objects outside its blocks.
std::vector<Hdf5Link> read_hdf5_dense_links(const Hdf5File& file, std::uint64_t heap_address,
                                            std::uint64_t tree_address);

}  // namespace narrow
