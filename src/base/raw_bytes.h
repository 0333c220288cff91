// A buffer of bytes that grows without being cleared: filling a mebibyte with zeros before it is
// read over takes as long as reading it from memory.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace narrow {

// Default-constructs what std::allocator would value-construct.
template <typename T>
class UninitializedAllocator : public std::allocator<T> {
 public:
  template <typename U>
  struct rebind {  // NOLINT(readability-identifier-naming): the name that the library wants
    using other = UninitializedAllocator<U>;  // NOLINT(readability-identifier-naming)
  };
  template <typename U, typename... Arguments>
  void construct(U* place, Arguments&&... arguments) {
    if constexpr (sizeof...(Arguments) == 0) {
      ::new (static_cast<void*>(place)) U;
    } else {
      std::construct_at(place, std::forward<Arguments>(arguments)...);
    }
  }
};

using RawBytes = std::vector<std::byte, UninitializedAllocator<std::byte>>;

}  // namespace narrow
