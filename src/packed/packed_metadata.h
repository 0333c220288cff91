// The recipe and the checksums of a packed file as they stand in the file's __metadata__
// (docs/formats.md, "Packed checkpoints").
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "narrow/packed_checkpoint.h"

namespace narrow {

constexpr std::string_view kPackedKeyPrefix = "narrow.";
constexpr std::string_view kPackedVersionKey = "narrow.packed";

// Throws Error(kUnsupported) for a checkpoint with the metadata of a packed file, of any version.
void refuse_packed(const CheckpointReader& reader);

// Checksums of stored tensors by name: CRC-32C.
using StoredChecksums = std::map<std::string, std::uint32_t>;

// Texts whose lengths do not depend on the digest and the checksums.
std::map<std::string, std::string> packed_metadata(const PackedContents& contents,
                                                   const StoredChecksums& checksums);

struct PackedMetadata {
  PackedContents contents;  // sizes and blocks not yet known
  StoredChecksums checksums;
};

// `file` is named in errors. Throws Error: kUnsupported for a file that is not packed or by another
// version; kCorrupt for a recipe that cannot be.
PackedMetadata parse_packed_metadata(const std::map<std::string, std::string>& metadata,
                                     const std::string& file);

}  // namespace narrow
