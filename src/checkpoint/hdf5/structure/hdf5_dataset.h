// A dataset as its object header describes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "checkpoint/hdf5/structure/hdf5_object.h"
#include "checkpoint/hdf5/structure/hdf5_types.h"

namespace narrow {

enum class Hdf5Filter : std::uint16_t { kDeflate = 1, kShuffle = 2, kFletcher32 = 3 };

struct Hdf5Chunk {
  std::uint64_t index = 0;  // in the grid of chunks, row-major
  std::uint64_t address = 0;
  std::uint64_t stored_bytes = 0;  // after the filters
  std::uint32_t left_out = 0;      // bit i: filter i was not applied
};

struct Hdf5Dataset {
  enum class Layout : std::uint8_t { kCompact, kContiguous, kChunked };

  Hdf5Type type;
  Shape shape;
  Layout layout = Layout::kContiguous;
  std::uint64_t address = kNoHdf5Address;  // of the values if they are not in chunks; may be none
  std::uint64_t stored_bytes = 0;          // of these
  std::vector<std::byte> fill;             // an element that was never written; empty for zeros
  std::vector<std::uint64_t> chunk_shape;
  std::vector<Hdf5Chunk> chunks;    // in the order of their index, those that exist
  std::vector<Hdf5Filter> filters;  // in the order of writing
  std::uint64_t header_block = 0;   // the checksummed block around compact values
  std::uint64_t header_block_bytes = 0;

  // Of the values of all elements. Throws Error(kCorrupt) when it is not a number of 64 bits.
  [[nodiscard]] std::uint64_t byte_size() const;
};

// Everything of a dataset but its values (IV.A.2: dataspace, datatype, fill value, layout, filter
// pipeline). Throws Error(kCorrupt); Error(kUnsupported) that names what is not read: other filters
// and indices of chunks, external files, committed datatypes, virtual datasets.
Hdf5Dataset read_hdf5_dataset(const Hdf5File& file, const Hdf5Object& object);

}  // namespace narrow
