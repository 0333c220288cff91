// The checksums of an HDF5 file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "checkpoint/hdf5/structure/hdf5_file.h"

namespace narrow {

// Of structures: hashlittle of Bob Jenkins' lookup3.c (burtleburtle.net/bob/c/lookup3.c) with the
// initial value 0.
std::uint32_t hdf5_checksum(std::span<const std::byte> bytes);

// Of chunks: Fletcher's checksum over 16-bit big-endian words, an odd last byte in the upper half.
std::uint32_t hdf5_fletcher32(std::span<const std::byte> bytes);

// Throws Error(kCorrupt) unless the last four bytes of the structure are the checksum of the
// others.
void check_hdf5_checksum(const Hdf5File& file, std::uint64_t address,
                         std::span<const std::byte> bytes, std::string_view what);

}  // namespace narrow
