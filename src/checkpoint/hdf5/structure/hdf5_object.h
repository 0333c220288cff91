// Object headers: what a group or a dataset is, as a list of messages (IV.A.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "checkpoint/hdf5/structure/hdf5_file.h"

namespace narrow {

// The types of messages that this reader knows (IV.A.2).
enum class Hdf5MessageType : std::uint16_t {
  kDataspace = 0x01,
  kLinkInfo = 0x02,
  kDatatype = 0x03,
  kOldFillValue = 0x04,
  kFillValue = 0x05,
  kLink = 0x06,
  kExternalFiles = 0x07,
  kLayout = 0x08,
  kGroupInfo = 0x0a,
  kFilters = 0x0b,
  kAttribute = 0x0c,
  kContinuation = 0x10,
  kSymbolTable = 0x11,
};

struct Hdf5Message {
  Hdf5MessageType type = Hdf5MessageType::kDataspace;
  bool is_shared = false;         // the body says where else in the file it is
  std::uint64_t address = 0;      // of its body
  std::uint64_t block = 0;        // the checksummed block it lies in, if any
  std::uint64_t block_bytes = 0;  // with the checksum; 0 without one
  std::vector<std::byte> body;

  [[nodiscard]] Hdf5Cursor cursor(const Hdf5File& file, std::string_view what) const {
    return {file, address, body, what};
  }
};

struct Hdf5Object {
  std::uint64_t address = 0;
  std::vector<Hdf5Message> messages;

  // The first one of the type, or nothing.
  [[nodiscard]] const Hdf5Message* find(Hdf5MessageType type) const;
  [[nodiscard]] bool is_group() const;
};

// Versions 1 and 2, with all continuations; messages of unknown types are left out. Throws
// Error(kCorrupt), Error(kUnsupported) for a message that says it must be understood and is not.
Hdf5Object read_hdf5_object(const Hdf5File& file, std::uint64_t address);

}  // namespace narrow
