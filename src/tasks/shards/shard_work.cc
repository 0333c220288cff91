#include "tasks/shards/shard_work.h"

#include <fmt/format.h>
#include <unistd.h>

#include <string_view>

#include "base/byte_record.h"
#include "base/file.h"
#include "base/hash128.h"
#include "base/hex.h"
#include "base/staging/staging_folder.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic("narrow shard journal 1\n\0", 24);
constexpr std::string_view kJournalName = "journal";

fs::path folder_of(const fs::path& index) {
  const fs::path directory = index.has_parent_path() ? index.parent_path() : ".";
  const Digest128 digest = hash128(as_byte_span(index.filename().string()));
  return directory /
         fmt::format("{}work-{}", StagingFolder::kReserved, to_hex(std::span(digest).first(8)));
}

TakeJournalBytes records_into(const ShardWork::TakeShard& take) {
  return [take](std::span<const std::byte> record) {
    if (record.size() < sizeof(std::uint64_t)) return false;
    return take(load_le<std::uint64_t>(record.data()), record.subspan(sizeof(std::uint64_t)));
  };
}

}  // namespace

ShardWork::ShardWork(const fs::path& index)
    : directory_(index.has_parent_path() ? index.parent_path() : "."), folder_(folder_of(index)) {}

ShardWork::~ShardWork() {
  if (journal_ == nullptr || has_files_) return;
  std::error_code error;
  fs::remove(path_of(fmt::format("{}.{}", kJournalName, number_)), error);
  ::rmdir(folder_.c_str());
  if (made_directory_) ::rmdir(directory_.c_str());
}

void ShardWork::open(std::uint64_t number, const std::string& key, bool is_new,
                     const TakeShard& take) {
  made_directory_ = make_directory(directory_);
  make_directory(folder_);
  number_ = number;
  const std::string header = std::string(kMagic) + key;
  const fs::path own = path_of(fmt::format("{}.{}", kJournalName, number));
  if (is_new) fs::remove(own);
  const TakeJournalBytes take_record = records_into([&](std::uint64_t file, auto notes) {
    const bool is_taken = take(file, notes);
    has_files_ = has_files_ || is_taken;
    return is_taken;
  });
  journal_ = std::make_unique<JournalFile>(own, header, JournalFile::Foreign::kReplace, "run",
                                           take_record);
  if (is_new) return;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().stem() != kJournalName || entry.path() == own) continue;
    read_journal_file(entry.path(), header, take_record);
  }
}

fs::path ShardWork::path_of(const std::string& name) const { return folder_ / name; }

void ShardWork::note(std::uint64_t file, std::span<const std::byte> notes) {
  ByteRecord record;
  record.put(file);
  record.put_bytes(notes);
  journal_->append(record.bytes());
  journal_->sync();
  has_files_ = true;
}

void ShardWork::remove() {
  std::error_code error;
  fs::remove_all(folder_, error);
  has_files_ = false;
}

}  // namespace narrow
