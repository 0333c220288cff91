// A file to which results are added as they come, so that a run that was stopped, however hard, can
// be continued: a header that says what it belongs to, then records. A record: its length and the
// CRC-32C of what follows (uint32 each, little-endian), then so many bytes. Records that were cut
// or damaged end the file: what follows them is dropped.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <mutex>
#include <span>
#include <string>

#include "base/file.h"

namespace narrow {

// Gets a record; false when it is not what a record is.
using TakeJournalBytes = std::function<bool(std::span<const std::byte>)>;

// Calls `take` for the records of a journal in `bytes`; returns how many bytes are whole, 0 when it
// does not begin with `header`.
std::size_t parse_journal_file(std::span<const std::byte> bytes, const std::string& header,
                               const TakeJournalBytes& take);

// The same for a file that another process may be writing to. Throws Error(kNotFound), Error(kIo).
std::size_t read_journal_file(const std::filesystem::path& path, const std::string& header,
                              const TakeJournalBytes& take);

class JournalFile {
 public:
  // Of a journal that is there: one with another header is refused or replaced; or any is.
  enum class Existing { kContinue, kContinueOrReplace, kReplace };

  // Continues the journal at `path`, whose records `take` gets first, or makes a new one. Waits
  // while another process uses it; `job` is what that one does: "sweep". Throws Error: kExists when
  // the file is something else and not to be replaced; kNotFound when its directory is gone, also
  // after a wait; kIo.
  JournalFile(const std::filesystem::path& path, const std::string& header, Existing existing,
              const std::string& job, const TakeJournalBytes& take);

  // From any thread. Throws Error(kIo).
  void append(std::span<const std::byte> record);
  // What is in it is on disk when this returns. Throws Error(kIo).
  void sync();

 private:
  [[nodiscard]] bool open_and_lock();
  void write(std::span<const std::byte> bytes);

  std::filesystem::path path_;
  FileDescriptor file_;
  std::mutex mutex_;
};

}  // namespace narrow
