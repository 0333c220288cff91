// What networks gave for images, kept as it comes, so that a run that was stopped can be continued.
//
// The file: 24 bytes "narrow sweep journal 1\n\0", 64 bytes of the key in hexadecimal, then records
// (base/journal). A record: network (uint64), images and classes (uint32 each); for every image its
// position (uint64), then for every image its label (int32), then for every image its logits
// (float32). Little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/journal/journal_file.h"

namespace narrow {

struct JournalRecord {
  std::uint64_t network = 0;
  std::uint32_t classes = 0;
  std::vector<std::uint64_t> positions;
  std::vector<int> labels;    // one a position
  std::vector<float> logits;  // `classes` a position
};

using TakeJournalRecord = std::function<void(const JournalRecord&)>;

// Calls `take` for the records of a journal file in `bytes`; returns how many bytes are whole, 0
// when it does not begin as the journal of `key` does (64 characters).
std::size_t parse_journal(std::span<const std::byte> bytes, const std::string& key,
                          const TakeJournalRecord& take);

// The same for the journals of all processes that share a sweep but `own`: PATH, PATH.1, PATH.2,
// ... Other processes may be writing to them. Nothing is taken of those that belong to another
// sweep. Throws Error(kIo).
void read_other_journals(const std::filesystem::path& path, const std::filesystem::path& own,
                         const std::string& key, const TakeJournalRecord& take);
// Where process `index` of those that share a sweep keeps its results.
std::filesystem::path shared_journal_path(const std::filesystem::path& path, std::uint64_t index);

class SweepJournal {
 public:
  // Continues the journal at `path`, whose records `take` gets first, or makes a new one. Waits
  // while another process uses it. Throws Error: kExists when the file is something else and
  // `replace` is false; kIo.
  SweepJournal(const std::filesystem::path& path, const std::string& key, bool replace,
               const TakeJournalRecord& take);

  // From any thread. Throws Error(kIo).
  void append(const JournalRecord& record);

 private:
  JournalFile file_;
};

}  // namespace narrow
