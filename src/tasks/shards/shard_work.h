// Files of a result that are done before the result is: in a hidden folder beside it, with journals
// that say so. Several processes may add to it, each with a journal of its own.
#pragma once

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

class ShardWork {
 public:
  // Gets the number of a file that is done and what was noted of it; false when that cannot be.
  using TakeShard = std::function<bool(std::uint64_t file, std::span<const std::byte> notes)>;

  // The folder of the result whose index is `index`; it need not exist.
  explicit ShardWork(const std::filesystem::path& index);
  // Removes the folder, and a directory around it that was made here, when nothing of use is in it.
  ~ShardWork();
  ShardWork(const ShardWork&) = delete;
  ShardWork& operator=(const ShardWork&) = delete;

  // Makes the folder and begins journal `number`. Gives what processes have done so far for `key`
  // (64 characters), unless `is_new`. Waits while another process has that journal.
  // Throws Error(kIo).
  void open(std::uint64_t number, const std::string& key, bool is_new, const TakeShard& take);
  // Where the file of that name is made and kept.
  [[nodiscard]] std::filesystem::path path_of(const std::string& name) const;
  // File number `file` is complete and on disk.
  void note(std::uint64_t file, std::span<const std::byte> notes);
  // All files have been taken away: removes the folder.
  void remove();

 private:
  std::filesystem::path directory_;
  std::filesystem::path folder_;
  bool made_directory_ = false;
  bool has_files_ = false;
  std::uint64_t number_ = 0;
  std::unique_ptr<JournalFile> journal_;
};

}  // namespace narrow
