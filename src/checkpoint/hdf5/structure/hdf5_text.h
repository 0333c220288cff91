// Text in attributes and datasets.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checkpoint/hdf5/structure/hdf5_object.h"
#include "checkpoint/hdf5/structure/hdf5_types.h"

namespace narrow {

// Texts of variable length, which lie in global heaps (III.E).
class Hdf5GlobalHeaps {
 public:
  explicit Hdf5GlobalHeaps(const Hdf5File& file) : file_(file) {}

  // What a value of 16 bytes (length, address of a collection, index in it) stands for.
  std::string text(Hdf5Cursor value);

 private:
  struct Place {
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
  };
  struct Collection {
    std::vector<std::byte> bytes;
    std::unordered_map<std::uint64_t, Place> objects;
  };
  const Collection& collection(std::uint64_t address);

  const Hdf5File& file_;
  std::unordered_map<std::uint64_t, Collection> collections_;
  std::uint64_t text_bytes_ = 0;  // of all that were asked for: no more than the file has
};

// The texts that `values` are, one after another, of type `type` (text of either kind). Fixed ones
// end at their first zero byte.
std::vector<std::string> read_hdf5_texts(const Hdf5Type& type, Hdf5Cursor values,
                                         Hdf5GlobalHeaps& heaps);

// The texts of the attribute `name` in the object's header (IV.A.2.m); nothing if it is not there
// or has no text.
std::vector<std::string> read_hdf5_text_attribute(const Hdf5File& file, const Hdf5Object& object,
                                                  std::string_view name, Hdf5GlobalHeaps& heaps);

}  // namespace narrow
