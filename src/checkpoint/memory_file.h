// A file that exists only in memory, for tests and fuzzers that open thousands of them.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>

#include "base/file.h"

namespace narrow {

class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::byte> content) : fd_(::memfd_create("narrow", 0)) {
    if (::write(fd_.get(), content.data(), content.size()) != std::ssize(content)) {
      throw std::runtime_error("cannot write a file in memory");
    }
  }

  [[nodiscard]] std::filesystem::path path() const {
    return "/proc/self/fd/" + std::to_string(fd_.get());
  }

 private:
  FileDescriptor fd_;
};

}  // namespace narrow
