// A reader of an HDF5 file or of one in an archive.
#pragma once

#include <memory>
#include <optional>

#include "checkpoint/hdf5/structure/hdf5_file.h"
#include "narrow/checkpoint.h"

namespace narrow {

std::unique_ptr<CheckpointReader> open_hdf5_part(const CheckpointLocation& location,
                                                 std::optional<Hdf5Part> part);

}  // namespace narrow
