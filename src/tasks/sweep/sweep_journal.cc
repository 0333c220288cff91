#include "tasks/sweep/sweep_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/special_file.h"
#include "base/staging/waiting.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kMagic("narrow sweep journal 1\n\0", 24);
constexpr std::size_t kFrameBytes = 8;   // length and checksum
constexpr std::size_t kFixedBytes = 16;  // network, images, classes

std::string header_of(const std::string& key) { return std::string(kMagic) + key; }

// The bytes of one image in a record.
std::uint64_t image_bytes(std::uint32_t classes) {
  return sizeof(std::uint64_t) + sizeof(std::int32_t) + std::uint64_t{classes} * sizeof(float);
}

std::vector<std::byte> serialize(const JournalRecord& record) {
  const std::size_t images = record.positions.size();
  std::vector<std::byte> bytes(kFrameBytes + kFixedBytes + images * image_bytes(record.classes));
  std::byte* to = bytes.data() + kFrameBytes;
  const auto put = [&to](auto value) {
    store_le(to, value);
    to += sizeof(value);
  };
  put(record.network);
  put(static_cast<std::uint32_t>(images));
  put(record.classes);
  for (const std::uint64_t position : record.positions) put(position);
  for (const int label : record.labels) put(static_cast<std::int32_t>(label));
  for (const float logit : record.logits) put(logit);
  const auto payload = std::span<const std::byte>(bytes).subspan(kFrameBytes);
  store_le(bytes.data(), static_cast<std::uint32_t>(payload.size()));
  store_le(bytes.data() + sizeof(std::uint32_t), crc32c(payload));
  return bytes;
}

// False when the payload is not what a record is.
bool parse_record(std::span<const std::byte> payload, JournalRecord* record) {
  if (payload.size() < kFixedBytes) return false;
  const std::byte* from = payload.data();
  const auto get = [&from]<typename T>(T* value) {
    *value = load_le<T>(from);
    from += sizeof(T);
  };
  std::uint32_t images = 0;
  get(&record->network);
  get(&images);
  get(&record->classes);
  std::uint64_t expected = 0;
  if (!checked_mul(std::uint64_t{images}, image_bytes(record->classes), &expected) ||
      expected != payload.size() - kFixedBytes) {
    return false;
  }
  record->positions.resize(images);
  record->labels.resize(images);
  record->logits.resize(std::size_t{images} * record->classes);
  for (std::uint64_t& position : record->positions) get(&position);
  for (int& label : record->labels) {
    std::int32_t stored = 0;
    get(&stored);
    label = stored;
  }
  for (float& logit : record->logits) get(&logit);
  return true;
}

[[noreturn]] void throw_io(const std::filesystem::path& path, const char* what) {
  throw Error(ErrorCategory::kIo,
              fmt::format("{} cannot be {}: {}", path.string(), what, std::strerror(errno)));
}

// A device of that name is left alone.
const std::filesystem::path& checked(const std::filesystem::path& path) {
  refuse_special_target(path);
  return path;
}

std::vector<std::byte> read_all(const std::filesystem::path& path) {
  const InputFile file(path);
  std::vector<std::byte> bytes(file.size());
  if (!bytes.empty()) file.read_at(0, bytes);
  return bytes;
}

}  // namespace

std::size_t parse_journal(std::span<const std::byte> bytes, const std::string& key,
                          const TakeJournalRecord& take) {
  const std::string header = header_of(key);
  if (bytes.size() < header.size() ||
      std::memcmp(bytes.data(), header.data(), header.size()) != 0) {
    return 0;
  }
  std::size_t whole = header.size();
  JournalRecord record;
  while (bytes.size() - whole >= kFrameBytes) {
    const auto length = load_le<std::uint32_t>(bytes.data() + whole);
    const auto checksum = load_le<std::uint32_t>(bytes.data() + whole + sizeof(std::uint32_t));
    if (length > bytes.size() - whole - kFrameBytes) break;
    const auto payload = bytes.subspan(whole + kFrameBytes, length);
    if (crc32c(payload) != checksum || !parse_record(payload, &record)) break;
    take(record);
    whole += kFrameBytes + length;
  }
  return whole;
}

SweepJournal::SweepJournal(const std::filesystem::path& path, const std::string& key, bool replace,
                           const TakeJournalRecord& take)
    : path_(checked(path)), file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (file_.get() < 0) throw_io(path, "opened for writing");
  wait_until(
      [this] {
        if (::flock(file_.get(), LOCK_EX | LOCK_NB) == 0) return true;
        if (errno != EWOULDBLOCK && errno != EINTR) throw_io(path_, "locked");
        return false;
      },
      fmt::format("waiting for another sweep that uses {}", path.string()));
  const std::vector<std::byte> bytes = read_all(path);
  std::size_t whole = parse_journal(bytes, key, take);
  if (whole == 0 && !bytes.empty() && !replace) {
    throw Error(ErrorCategory::kExists,
                fmt::format("{} belongs to a sweep of another checkpoint, other images or other "
                            "options",
                            path.string()),
                {Remedy::Kind::kOverwrite});
  }
  if (::ftruncate(file_.get(), static_cast<off_t>(whole)) != 0) throw_io(path, "cut");
  if (::lseek(file_.get(), 0, SEEK_END) < 0) throw_io(path, "continued");
  if (whole == 0) write(as_byte_span(header_of(key)));
}

void SweepJournal::append(const JournalRecord& record) {
  const std::vector<std::byte> bytes = serialize(record);
  const std::lock_guard lock(mutex_);
  write(bytes);
}

void SweepJournal::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) throw_io(path_, "written");
    if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

}  // namespace narrow
