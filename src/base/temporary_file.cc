#include "base/temporary_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>

#include "narrow/error.h"

namespace narrow {
namespace {

[[noreturn]] void refuse_temporary(const char* what, int error) {
  throw Error(ErrorCategory::kIo,
              fmt::format("cannot {} in {} (TMPDIR chooses another place): {}", what,
                          temporary_directory().string(), ::strerror(error)));
}

}  // namespace

std::filesystem::path temporary_directory() {
  std::error_code no_directory;
  const std::filesystem::path directory = std::filesystem::temp_directory_path(no_directory);
  return no_directory ? "/tmp" : directory;
}

FileDescriptor temporary_file() {
  const std::filesystem::path directory = temporary_directory();
  FileDescriptor fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.get() >= 0) return fd;
  // Some file systems have no files without a name.
  std::string name = (directory / "narrow-XXXXXX").string();
  fd = FileDescriptor(::mkostemp(name.data(), O_CLOEXEC));
  if (fd.get() < 0) refuse_temporary("create a temporary file", errno);
  ::unlink(name.c_str());
  return fd;
}

void TemporaryFile::write_at(std::uint64_t byte_offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote =
        ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(byte_offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) refuse_temporary("write a temporary file", errno);
    byte_offset += static_cast<std::uint64_t>(wrote);
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
}

void TemporaryFile::read_at(std::uint64_t byte_offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd_.get(), out.data(), out.size(), static_cast<off_t>(byte_offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) refuse_temporary("read a temporary file", got < 0 ? errno : EIO);
    byte_offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

TemporaryFolder::TemporaryFolder() {
  std::string path = (temporary_directory() / "narrow-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) refuse_temporary("create a folder", errno);
  path_ = path;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace narrow
