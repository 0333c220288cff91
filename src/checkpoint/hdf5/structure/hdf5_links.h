// The names in a group.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/hdf5/structure/hdf5_object.h"

namespace narrow {

struct Hdf5Link {
  std::string name;
  std::uint64_t address = 0;  // of the object header
};

// The links of a group in the order of the file: a symbol table (a version 1 B-tree over a local
// heap, III.A.1, III.B to III.D), link messages (IV.A.2.g) or a fractal heap of these (III.G),
// whose direct and indirect blocks are not filtered. Throws Error(kCorrupt); Error(kUnsupported)
// that names a soft or external link or a huge or filtered heap.
std::vector<Hdf5Link> read_hdf5_links(const Hdf5File& file, const Hdf5Object& group);

// The body of a link message.
Hdf5Link read_hdf5_link(Hdf5Cursor cursor);
// Throws for a name that is no part of a path.
void check_hdf5_name(const Hdf5File& file, std::uint64_t address, std::string_view name);

}  // namespace narrow
