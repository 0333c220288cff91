// A .keras archive: a ZIP file with metadata.json, config.json and the HDF5 file of the weights.
#pragma once

#include "base/file.h"
#include "checkpoint/hdf5/structure/hdf5_file.h"
#include "checkpoint/npz/zip/zip_directory.h"

namespace narrow {

// The member with the weights, which is stored and not compressed. Throws Error(kCorrupt);
// Error(kUnsupported) when it is compressed or missing.
ZipMember find_keras_weights(const InputFile& file);

}  // namespace narrow
