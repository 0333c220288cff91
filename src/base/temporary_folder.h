// A folder for what is made on the way.
#pragma once

#include <filesystem>

namespace narrow {

class TemporaryFolder {
 public:
  // Throws Error(kIo) where none can be made.
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace narrow
