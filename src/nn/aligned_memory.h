// Memory for activations and weights.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <memory>
#include <new>

namespace narrow {

// Uninitialized bytes that begin on a page, so that workers on different cores never share one.
class AlignedMemory {
 public:
  AlignedMemory() = default;
  explicit AlignedMemory(std::size_t byte_size)
      : bytes_(static_cast<std::byte*>(::operator new (byte_size, std::align_val_t{kAlignment}))) {
    // Networks walk through tens of megabytes: pages of 4 KiB miss the translation cache all the
    // time. Advice only, whether it is taken changes nothing but speed.
    if (byte_size >= kAlignment) ::madvise(bytes_.get(), byte_size, MADV_HUGEPAGE);
  }
  [[nodiscard]] std::byte* data() const { return bytes_.get(); }

 private:
  static constexpr std::size_t kAlignment = std::size_t{2} << 20;  // a huge page of x86-64
  struct Free {
    void operator()(std::byte* bytes) const {
      ::operator delete (bytes, std::align_val_t{kAlignment});
    }
  };
  std::unique_ptr<std::byte, Free> bytes_;
};

}  // namespace narrow
