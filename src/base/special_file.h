// What is not a regular file: devices, pipes, sockets, directories, and names that stand for an
// open descriptor (/dev/stdout, /dev/fd/63).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"

namespace narrow {

// The descriptor of this process that `path` stands for, through any number of links:
// /dev/stdin, /dev/fd/63, /proc/self/fd/3. Shells write <(...) and >(...) like that.
std::optional<int> named_descriptor(const std::filesystem::path& path);

// Whether `path`, as it was typed, is read from an open descriptor, a pipe or a socket, so that
// nothing can be put beside it: "-", /dev/stdin, a FIFO.
bool is_input_stream(const std::filesystem::path& path);

// "a pipe", "a character device"; nothing for a regular file and for what is not there. Links are
// followed.
std::optional<std::string_view> special_kind(const std::filesystem::path& path);

// Throws Error(kUsage) when `path`, or what it links to, is there and is no regular file: a result
// takes its place by renaming, which would put a file where the device was. Also for names of open
// descriptors and for "-".
void refuse_special_target(const std::filesystem::path& path);

// What is written into instead of being replaced: an open descriptor, a character device or a pipe.
class OutputStream {
 public:
  // Whether `path` names such a thing. Throws Error(kUsage) for what nothing can be written into:
  // a directory, a socket, a block device.
  static bool is_stream(const std::filesystem::path& path);
  // Throws Error(kIo) when it may not be written. Does not open it yet: opening a pipe waits for
  // whoever reads it.
  explicit OutputStream(std::filesystem::path path);
  // Opens, writes all of `text` and closes. Throws Error(kIo).
  void write(std::string_view text) const;

 private:
  std::filesystem::path path_;
  std::optional<int> descriptor_;
};

// Returns once one of these events of poll(2) has come, or a signal.
void wait_until_ready(int fd, short events);

// Writes all of it; waits where the descriptor is not ready. Returns 0 or an error number.
int write_fully(int fd, std::string_view text);

// An unlinked temporary file with all that comes out of a pipe or socket. `fd` is read from.
// Throws Error(kIo), naming `path` or the directory of temporary files.
FileDescriptor spool(int fd, const std::filesystem::path& path);

}  // namespace narrow
