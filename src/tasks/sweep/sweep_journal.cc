#include "tasks/sweep/sweep_journal.h"

#include <fmt/format.h>

#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kMagic("narrow sweep journal 1\n\0", 24);
constexpr std::size_t kFixedBytes = 16;  // network, images, classes

std::string header_of(const std::string& key) { return std::string(kMagic) + key; }

// The bytes of one image in a record.
std::uint64_t image_bytes(std::uint32_t classes) {
  return sizeof(std::uint64_t) + sizeof(std::int32_t) + std::uint64_t{classes} * sizeof(float);
}

std::vector<std::byte> serialize(const JournalRecord& record) {
  const std::size_t images = record.positions.size();
  std::vector<std::byte> bytes(kFixedBytes + images * image_bytes(record.classes));
  std::byte* to = bytes.data();
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

TakeJournalBytes parse_into(const TakeJournalRecord& take) {
  return [record = JournalRecord(), take](std::span<const std::byte> bytes) mutable {
    if (!parse_record(bytes, &record)) return false;
    take(record);
    return true;
  };
}

}  // namespace

std::size_t parse_journal(std::span<const std::byte> bytes, const std::string& key,
                          const TakeJournalRecord& take) {
  return parse_journal_file(bytes, header_of(key), parse_into(take));
}

std::filesystem::path shared_journal_path(const std::filesystem::path& path, std::uint64_t index) {
  if (index == 0) return path;
  std::filesystem::path other = path;
  return other += fmt::format(".{}", index);
}

void read_other_journals(const std::filesystem::path& path, const std::filesystem::path& own,
                         const std::string& key, const TakeJournalRecord& take) {
  const std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : ".";
  const std::string first = path.filename().string();
  const std::string prefix = first + ".";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    const bool is_numbered =
        name.starts_with(prefix) && name.size() > prefix.size() &&
        name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
    const bool is_other = (name == first || is_numbered) && name != own.filename();
    if (is_other && entry.is_regular_file(error)) {
      read_journal_file(entry.path(), header_of(key), parse_into(take));
    }
  }
}

SweepJournal::SweepJournal(const std::filesystem::path& path, const std::string& key, bool replace,
                           const TakeJournalRecord& take)
    : file_(path, header_of(key),
            replace ? JournalFile::Existing::kContinueOrReplace : JournalFile::Existing::kContinue,
            "sweep", parse_into(take)) {}

void SweepJournal::append(const JournalRecord& record) { file_.append(serialize(record)); }

}  // namespace narrow
