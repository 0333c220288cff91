// Version 1 B-trees (HDF5 File Format Specification 3.0, III.A.1).
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "checkpoint/hdf5/structure/hdf5_file.h"

namespace narrow {

// Goes through the leaves of one tree in order.
class Hdf5Tree {
 public:
  // Nodes have this number of their kind, which holds `what` ("names"), and keys of so many bytes.
  Hdf5Tree(const Hdf5File& file, std::uint8_t kind, std::string what, std::uint64_t key_bytes)
      : file_(file), kind_(kind), what_(std::move(what)), key_bytes_(key_bytes) {}

  // visit(cursor over a key, the address that follows it) for every entry of the leaves.
  // Throws Error(kCorrupt) for other nodes and for a tree that leads to itself.
  template <typename Visit>
  void read(std::uint64_t address, const Visit& visit, int depth = 0) {
    constexpr int kMostLevels = 32;
    constexpr std::uint64_t kHeadBytes = 24;
    if (depth > kMostLevels || !seen_.insert(address).second) {
      file_.throw_corrupt(address, "a B-tree of " + what_ + " leads to itself");
    }
    const auto head = file_.read(address, kHeadBytes, "B-tree");
    Hdf5Cursor cursor(file_, address, head, "B-tree");
    cursor.expect("TREE");
    if (cursor.take_u8() != kind_) cursor.throw_corrupt("is not one of " + what_);
    const std::uint8_t level = cursor.take_u8();
    const std::uint64_t count = cursor.take_u16();
    const std::uint64_t begin = address + kHeadBytes;
    const auto body = file_.read(begin, count * (key_bytes_ + 8), "B-tree");
    Hdf5Cursor entries(file_, begin, body, "B-tree");
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t at = entries.address();
      Hdf5Cursor key(file_, at, entries.take_bytes(key_bytes_), "B-tree");
      const std::uint64_t child = entries.take_u64();
      if (level == 0) {
        visit(key, child);
      } else {
        read(child, visit, depth + 1);
      }
    }
  }

 private:
  const Hdf5File& file_;
  std::uint8_t kind_;
  std::string what_;
  std::uint64_t key_bytes_;
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace narrow
