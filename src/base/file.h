// Files: positioned reads that need no shared state, and buffered writes whose errors are
// sentences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace narrow {

// A file descriptor that closes itself.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  [[nodiscard]] int get() const { return fd_; }
  int release();

 private:
  int fd_ = -1;
};

// A file opened for reading. Safe to use from several threads. What comes out of a pipe or socket
// is kept in a temporary file first; whoever opens the same pipe while an InputFile has it gets the
// same bytes.
class InputFile {
 public:
  // Throws Error(kNotFound) or Error(kIo) naming the path; a directory or device is kUnsupported.
  explicit InputFile(std::filesystem::path path);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] bool is_from_pipe() const { return spooled_ != nullptr; }
  // Size in bytes when the file was opened.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Fills `out` with the bytes at `byte_offset`. Throws Error(kCorrupt) when the file ends before
  // that, Error(kIo) when the system refuses.
  void read_at(std::uint64_t byte_offset, std::span<std::byte> out) const;
  // A hint that these bytes will be read soon: the system may begin to fetch them.
  void will_need(std::uint64_t byte_offset, std::uint64_t size) const noexcept;

 private:
  std::filesystem::path path_;
  FileDescriptor fd_;
  std::shared_ptr<const FileDescriptor> spooled_;
  std::uint64_t size_ = 0;
  std::uint64_t device_ = 0;  // where it lies
};

// The whole of a small file. Throws Error(kCorrupt) when it is longer than `max_bytes`.
std::string read_small_file(const std::filesystem::path& path, std::uint64_t max_bytes);

// The whole of a file of any length.
std::vector<std::byte> read_whole_file(const std::filesystem::path& path);

// A new file that is written front to back. Errors are thrown as Error(kIo) by the call that met
// them; nothing is lost silently, because finish() reports what the last write left open.
class OutputFile {
 public:
  // Creates the file; Error(kIo) when it cannot be created or exists.
  explicit OutputFile(std::filesystem::path path);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_written_; }
  // Sets aside room for a file of that size where the file system can do that: a full disk is met
  // before most of the work, and writing costs the system less. What is not used is given back by
  // finish(). Throws Error(kIo) for lack of room, a quota or a size that the file system excludes.
  void reserve(std::uint64_t bytes);
  void write(std::span<const std::byte> bytes);
  void write(std::string_view bytes);
  // Hands what is buffered to the system, so that whoever reads the file meanwhile sees it.
  void flush();
  // Writes what is buffered and closes the file. sync_file, or StagedOutput for its files, makes it
  // durable.
  void finish();

 private:
  void write_through(std::span<const std::byte> bytes);

  std::filesystem::path path_;
  FileDescriptor fd_;
  std::vector<std::byte> buffer_;
  std::uint64_t bytes_written_ = 0;  // including what is buffered
  std::uint64_t bytes_in_file_ = 0;
  std::uint64_t bytes_sent_on_ = 0;
  std::uint64_t bytes_reserved_ = 0;
};

// A file whose bytes are written in any order. Errors as of OutputFile.
class ScatteredOutputFile {
 public:
  // kKeep: one that is there keeps what it holds, and others may write to it at the same time.
  enum class Existing : std::uint8_t { kRefuse, kKeep };
  explicit ScatteredOutputFile(std::filesystem::path path, Existing existing = Existing::kRefuse);

  // As OutputFile::reserve, for bytes from `byte_offset` on; resize() gives back what is too much.
  void reserve(std::uint64_t byte_offset, std::uint64_t bytes);
  void write_at(std::uint64_t byte_offset, std::span<const std::byte> bytes);
  // Makes it a file of that many bytes.
  void resize(std::uint64_t bytes);
  // Closes the file.
  void finish();

 private:
  void send_on(std::uint64_t byte_offset, std::uint64_t bytes);

  std::filesystem::path path_;
  FileDescriptor fd_;
  std::uint64_t run_begin_ = 0;  // of consecutive bytes that were not sent on to the disk
  std::uint64_t run_end_ = 0;
};

// Creates a directory and its parents and returns whether it was missing. Throws Error(kIo).
bool make_directory(const std::filesystem::path& directory);

// Makes the contents of a file durable (fsync).
void sync_file(const std::filesystem::path& path);

// Makes the entries of a directory durable (fsync on the directory).
void sync_directory(const std::filesystem::path& directory);

}  // namespace narrow
