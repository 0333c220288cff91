// A buffer of bytes that grows without being cleared: what is read into it next would only write
// over the zeros.
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
