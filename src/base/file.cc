#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/spooled_input.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 18;
// One system call moves at most this much: Linux transfers just under 2 GiB per call.
constexpr std::size_t kMaxCallBytes = std::size_t{1} << 30;
// Written bytes are sent on to the disk in portions of this size, so that little is left for the
// sync at the end.
constexpr std::uint64_t kWritebackBytes = std::uint64_t{2} << 20;
constexpr std::uint64_t kLeastSentBytes = std::uint64_t{1} << 15;

[[noreturn]] void throw_system_error(const char* action, const std::filesystem::path& path,
                                     int error) {
  const auto category = error == ENOENT ? ErrorCategory::kNotFound : ErrorCategory::kIo;
  throw Error(category, fmt::format("cannot {} {}: {}", action, path.string(), strerror(error)));
}

FileDescriptor create_file(const std::filesystem::path& path, int exclusive = O_EXCL) {
  FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | exclusive | O_CLOEXEC, 0666));
  if (fd.get() < 0) throw_system_error("create", path, errno);
  return fd;
}

void close_file(FileDescriptor& fd, const std::filesystem::path& path) {
  if (::close(fd.release()) != 0) throw_system_error("write", path, errno);
}

// Whether the file system has set them aside. Throws Error(kIo) when it has no room.
bool reserve_bytes(const FileDescriptor& fd, const std::filesystem::path& path,
                   std::uint64_t byte_offset, std::uint64_t bytes) {
  if (!std::in_range<off_t>(byte_offset) || !std::in_range<off_t>(bytes)) return false;
  if (::fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(byte_offset),
                  static_cast<off_t>(bytes)) == 0) {
    return true;
  }
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
    throw_system_error("write", path, errno);
  }
  return false;
}

// As much of a file that is read front to back the system reads ahead of itself
// (Documentation/ABI/testing/sysfs-class-bdi); 0 when that cannot be told.
std::uint64_t system_read_ahead(dev_t device) {
  static std::mutex mutex;
  static std::map<dev_t, std::uint64_t> known;
  const std::lock_guard lock(mutex);
  const auto found = known.find(device);
  if (found != known.end()) return found->second;
  std::uint64_t kibibytes = 0;
  const std::string number = fmt::format("{}:{}", major(device), minor(device));
  // Of a file system; of the disk that a partition belongs to.
  for (const std::string& setting : {"/sys/class/bdi/" + number + "/read_ahead_kb",
                                     "/sys/dev/block/" + number + "/../queue/read_ahead_kb"}) {
    if (std::ifstream(setting) >> kibibytes) break;
  }
  return known[device] = kibibytes << 10;
}

// Only a hint: what it does not do, fsync does.
void begin_writeback(const FileDescriptor& fd, std::uint64_t begin, std::uint64_t end) {
  ::sync_file_range(fd.get(), static_cast<off_t>(begin), static_cast<off_t>(end - begin),
                    SYNC_FILE_RANGE_WRITE);
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

int FileDescriptor::release() { return std::exchange(fd_, -1); }

InputFile::InputFile(std::filesystem::path path) : path_(std::move(path)) {
  // O_NONBLOCK: a FIFO is recognized before anybody waits for its writer.
  fd_ = FileDescriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  // ENXIO: a socket has to be taken as it was inherited.
  if (fd_.get() < 0 && errno != ENXIO) throw_system_error("open", path_, errno);
  struct stat info {};
  if (fd_.get() >= 0 && ::fstat(fd_.get(), &info) != 0) throw_system_error("examine", path_, errno);
  if (!S_ISREG(info.st_mode)) {
    spooled_ = spooled_input(path_, std::move(fd_));
    fd_ = FileDescriptor(::fcntl(spooled_->get(), F_DUPFD_CLOEXEC, 0));
    if (fd_.get() < 0 || ::fstat(fd_.get(), &info) != 0) throw_system_error("read", path_, errno);
  }
  size_ = static_cast<std::uint64_t>(info.st_size);
  device_ = info.st_dev;
}

void InputFile::read_at(std::uint64_t byte_offset, std::span<std::byte> out) const {
  if (!range_fits(byte_offset, std::uint64_t{out.size()}, size_)) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} ends at byte {}, but {} bytes at offset {} are needed: the file is "
                            "truncated or its directory is wrong",
                            path_.string(), size_, out.size(), byte_offset));
  }
  while (!out.empty()) {
    const auto wanted = std::min(out.size(), kMaxCallBytes);
    const ssize_t got = ::pread(fd_.get(), out.data(), wanted, static_cast<off_t>(byte_offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      throw_system_error("read", path_, errno);
    }
    if (got == 0) {
      throw Error(ErrorCategory::kCorrupt, fmt::format("{} became shorter while it was read: it "
                                                       "ended at byte {} instead of {}",
                                                       path_.string(), byte_offset, size_));
    }
    out = out.subspan(static_cast<std::size_t>(got));
    byte_offset += static_cast<std::uint64_t>(got);
  }
}

void InputFile::will_need(std::uint64_t byte_offset, std::uint64_t size) const noexcept {
  // Linux takes no more than the largest request of the disk from one call.
  constexpr std::uint64_t kMostBytes = std::uint64_t{512} << 10;
  // It fetches into larger pages by itself, which cost it less and are copied faster.
  constexpr std::uint64_t kEnoughAhead = std::uint64_t{2} << 20;
  if (system_read_ahead(device_) >= kEnoughAhead) return;
  for (std::uint64_t done = 0; done < size; done += kMostBytes) {
    ::posix_fadvise(fd_.get(), static_cast<off_t>(byte_offset + done),
                    static_cast<off_t>(std::min(kMostBytes, size - done)), POSIX_FADV_WILLNEED);
  }
}

std::string read_small_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const InputFile file(path);
  if (file.size() > max_bytes) {
    throw Error(ErrorCategory::kCorrupt, fmt::format("{} has {} bytes, at most {} are expected",
                                                     path.string(), file.size(), max_bytes));
  }
  std::string text(file.size(), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

std::vector<std::byte> read_whole_file(const std::filesystem::path& path) {
  const InputFile file(path);
  std::vector<std::byte> bytes(file.size());
  file.read_at(0, bytes);
  return bytes;
}

OutputFile::OutputFile(std::filesystem::path path)
    : path_(std::move(path)), fd_(create_file(path_)) {
  buffer_.reserve(kBufferBytes);
}

void OutputFile::reserve(std::uint64_t bytes) {
  if (bytes <= bytes_reserved_) return;
  if (reserve_bytes(fd_, path_, 0, bytes)) bytes_reserved_ = bytes;
}

void OutputFile::write(std::span<const std::byte> bytes) {
  bytes_written_ += bytes.size();
  if (buffer_.size() + bytes.size() > kBufferBytes) flush();
  if (bytes.size() >= kBufferBytes) {
    write_through(bytes);
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
}

void OutputFile::write(std::string_view bytes) { write(as_byte_span(bytes)); }

void OutputFile::flush() {
  write_through(buffer_);
  buffer_.clear();
}

void OutputFile::write_through(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd_.get(), bytes.data(), std::min(bytes.size(), kMaxCallBytes));
    if (wrote < 0) {
      if (errno == EINTR) continue;
      throw_system_error("write", path_, errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    bytes_in_file_ += static_cast<std::uint64_t>(wrote);
  }
  if (bytes_in_file_ - bytes_sent_on_ >= kWritebackBytes) {
    begin_writeback(fd_, bytes_sent_on_, bytes_in_file_);
    bytes_sent_on_ = bytes_in_file_;
  }
}

void OutputFile::finish() {
  flush();
  if (bytes_in_file_ < bytes_reserved_ &&
      ::ftruncate(fd_.get(), static_cast<off_t>(bytes_in_file_)) != 0) {
    throw_system_error("write", path_, errno);
  }
  close_file(fd_, path_);
}

ScatteredOutputFile::ScatteredOutputFile(std::filesystem::path path, Existing existing)
    : path_(std::move(path)), fd_(create_file(path_, existing == Existing::kKeep ? 0 : O_EXCL)) {}

void ScatteredOutputFile::reserve(std::uint64_t byte_offset, std::uint64_t bytes) {
  if (bytes > 0) reserve_bytes(fd_, path_, byte_offset, bytes);
}

void ScatteredOutputFile::write_at(std::uint64_t byte_offset, std::span<const std::byte> bytes) {
  send_on(byte_offset, bytes.size());
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(fd_.get(), bytes.data(), std::min(bytes.size(), kMaxCallBytes),
                                   static_cast<off_t>(byte_offset));
    if (wrote < 0) {
      if (errno == EINTR) continue;
      throw_system_error("write", path_, errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    byte_offset += static_cast<std::uint64_t>(wrote);
  }
}

// Of writes that alternate between places the large ones are what the disk is to begin with.
void ScatteredOutputFile::send_on(std::uint64_t byte_offset, std::uint64_t bytes) {
  if (bytes < kLeastSentBytes) return;
  if (byte_offset != run_end_ || run_end_ - run_begin_ >= kWritebackBytes) {
    if (run_end_ > run_begin_) begin_writeback(fd_, run_begin_, run_end_);
    run_begin_ = byte_offset;
  }
  run_end_ = byte_offset + bytes;
}

void ScatteredOutputFile::resize(std::uint64_t bytes) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) {
    throw_system_error("write", path_, errno);
  }
}

void ScatteredOutputFile::finish() { close_file(fd_, path_); }

bool make_directory(const std::filesystem::path& directory) {
  std::error_code error;
  const bool is_new = std::filesystem::create_directories(directory, error);
  if (error) {
    throw Error(ErrorCategory::kIo,
                fmt::format("cannot create directory {}: {}", directory.string(), error.message()));
  }
  return is_new;
}

void sync_file(const std::filesystem::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) throw_system_error("open", path, errno);
  if (::fsync(fd.get()) != 0) throw_system_error("write", path, errno);
}

void sync_directory(const std::filesystem::path& directory) {
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 && errno == EACCES) return;  // one that may be written but not read
  if (fd.get() < 0) throw_system_error("open", directory, errno);
  // Some file systems cannot sync a directory and say EINVAL; there is nothing to be done then.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) throw_system_error("write", directory, errno);
}

}  // namespace narrow
