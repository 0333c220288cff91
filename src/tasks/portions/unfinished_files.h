// Files of a result before it is complete: in a hidden folder beside it, with journals that say
// which portions of them are done. Several processes may add to them, each with a journal of its
// own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/journal/journal_file.h"

namespace narrow {

class UnfinishedFiles {
 public:
  // Gets the number of a portion that is done and what was noted of it; false when that cannot be.
  using TakePortion = std::function<bool(std::uint64_t portion, std::span<const std::byte> notes)>;

  // Those of the result that is found at `path`; none need exist.
  explicit UnfinishedFiles(const std::filesystem::path& path);
  // Removes the folder, and a directory around it that was made here, when nothing of use is in it.
  ~UnfinishedFiles();
  UnfinishedFiles(const UnfinishedFiles&) = delete;
  UnfinishedFiles& operator=(const UnfinishedFiles&) = delete;

  // Makes the folder and begins journal `number`. Gives what processes have done so far for `key`
  // (64 characters), unless `is_new`. Waits while another process has that journal, which may have
  // put the result in place then. Throws Error(kIo).
  void open(std::uint64_t number, const std::string& key, bool is_new, const TakePortion& take);
  // What processes have done for `key`, for one that does nothing itself.
  void read(const std::string& key, const TakePortion& take);
  // Where the file of that name is made and kept.
  [[nodiscard]] std::filesystem::path path_of(const std::string& name) const;
  // Portion number `portion` is on disk. From any thread.
  void note(std::uint64_t portion, std::span<const std::byte> notes);
  // Makes what was noted durable.
  void sync() { journal_->sync(); }
  // Whether anything lies in the folder.
  [[nodiscard]] bool exist() const;
  // All files have been taken away: removes the folder.
  void remove();

 private:
  void open_journal(const std::string& header, bool is_new, const TakeJournalBytes& take);
  [[nodiscard]] std::filesystem::path own_journal() const;

  std::filesystem::path directory_;
  std::filesystem::path folder_;
  bool made_directory_ = false;
  std::atomic<bool> has_files_ = false;
  std::uint64_t number_ = 0;
  std::unique_ptr<JournalFile> journal_;
};

}  // namespace narrow
