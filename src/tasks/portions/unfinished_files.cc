#include "tasks/portions/unfinished_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "base/byte_record.h"
#include "base/file.h"
#include "base/hash128.h"
#include "base/hex.h"
#include "base/staging/staging_folder.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic("narrow shard journal 1\n\0", 24);
constexpr std::string_view kJournalName = "journal";

fs::path directory_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
}

fs::path folder_of(const fs::path& path) {
  const Digest128 digest = hash128(as_byte_span(path.filename().string()));
  return directory_of(path) /
         fmt::format("{}work-{}", StagingFolder::kReserved, to_hex(std::span(digest).first(8)));
}

TakeJournalBytes records_into(const UnfinishedFiles::TakePortion& take) {
  return [take](std::span<const std::byte> record) {
    if (record.size() < sizeof(std::uint64_t)) return false;
    return take(load_le<std::uint64_t>(record.data()), record.subspan(sizeof(std::uint64_t)));
  };
}

std::string header_of(const std::string& key) { return std::string(kMagic) + key; }

}  // namespace

UnfinishedFiles::UnfinishedFiles(const fs::path& path)
    : directory_(directory_of(path)), folder_(folder_of(path)) {}

UnfinishedFiles::~UnfinishedFiles() {
  if (journal_ == nullptr || has_files_) return;
  // Others may have portions in the same files.
  std::error_code error;
  std::vector<fs::path> files;
  bool has_others = false;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    if (entry.path().stem() != kJournalName) {
      files.push_back(entry.path());
    } else if (entry.path() != own_journal()) {
      has_others = true;
    }
  }
  for (const fs::path& file : files) {
    if (!has_others) fs::remove(file, error);
  }
  fs::remove(own_journal(), error);
  ::rmdir(folder_.c_str());
  if (made_directory_) ::rmdir(directory_.c_str());
}

void UnfinishedFiles::open(std::uint64_t number, const std::string& key, bool is_new,
                           const TakePortion& take) {
  number_ = number;
  const std::string header = header_of(key);
  const TakeJournalBytes take_record = records_into([&](std::uint64_t portion, auto notes) {
    const bool is_taken = take(portion, notes);
    has_files_ = has_files_ || is_taken;
    return is_taken;
  });
  open_journal(header, is_new, take_record);
  if (is_new) return;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().stem() != kJournalName || entry.path() == own_journal()) continue;
    read_journal_file(entry.path(), header, take_record);
  }
}

// The process before may have removed the folder while this one waited.
void UnfinishedFiles::open_journal(const std::string& header, bool is_new,
                                   const TakeJournalBytes& take) {
  const auto existing =
      is_new ? JournalFile::Existing::kReplace : JournalFile::Existing::kContinueOrReplace;
  while (journal_ == nullptr) {
    made_directory_ = make_directory(directory_) || made_directory_;
    make_directory(folder_);
    try {
      journal_ = std::make_unique<JournalFile>(own_journal(), header, existing, "run", take);
    } catch (const Error& error) {
      if (error.category() != ErrorCategory::kNotFound) throw;
    }
  }
}

fs::path UnfinishedFiles::own_journal() const {
  return path_of(fmt::format("{}.{}", kJournalName, number_));
}

void UnfinishedFiles::read(const std::string& key, const TakePortion& take) {
  if (!exist()) return;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().stem() != kJournalName) continue;
    read_journal_file(entry.path(), header_of(key), records_into(take));
  }
}

bool UnfinishedFiles::exist() const {
  std::error_code error;
  return fs::is_directory(folder_, error);
}

fs::path UnfinishedFiles::path_of(const std::string& name) const { return folder_ / name; }

void UnfinishedFiles::note(std::uint64_t portion, std::span<const std::byte> notes) {
  ByteRecord record;
  record.put(portion);
  record.put_bytes(notes);
  journal_->append(record.bytes());
  has_files_ = true;
}

void UnfinishedFiles::remove() {
  std::error_code error;
  fs::remove_all(folder_, error);
  has_files_ = false;
}

}  // namespace narrow
