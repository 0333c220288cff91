// The bytes of one member of a ZIP archive.
#pragma once

#include <memory>

#include "base/file.h"
#include "checkpoint/npz/zip/zip_directory.h"
#include "narrow/checkpoint.h"

namespace narrow {

// A stream over the member's bytes, decompressed. The read that delivers the last one throws
// Error(kCorrupt) when the checksum does not match or compressed data are left over. Uses bounded
// memory. `file` must outlive the stream.
std::unique_ptr<TensorStream> open_zip_member(const InputFile& file, const ZipMember& member);

}  // namespace narrow
