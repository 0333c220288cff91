// Memory for activations and weights.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace narrow {

// Uninitialized bytes that begin on a page, so that workers on different cores never share one.
class AlignedMemory {
 public:
  AlignedMemory() = default;
  explicit AlignedMemory(std::size_t byte_size)
      : bytes_(static_cast<std::byte*>(::operator new (byte_size, std::align_val_t{kPageBytes}))) {}
  [[nodiscard]] std::byte* data() const { return bytes_.get(); }

 private:
  static constexpr std::size_t kPageBytes = 4096;
  struct Free {
    void operator()(std::byte* bytes) const {
      ::operator delete (bytes, std::align_val_t{kPageBytes});
    }
  };
  std::unique_ptr<std::byte, Free> bytes_;
};

}  // namespace narrow
