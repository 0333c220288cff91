// Where the files of a result lie until it is complete: a hidden folder in the directory that the
// result goes into, so that every one of them can be renamed to its place. Its name says which
// result it is for and has a fixed length. Who writes the result holds a lock on it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/staging/directory_lock.h"

namespace narrow {

enum class Making { kMade, kExists, kParentGone };
// mkdir(2) where another process may remove the directory around it as empty. Throws Error(kIo).
Making make_one_directory(const std::filesystem::path& path);

class StagingFolder {
 public:
  // Names that begin so belong to unfinished results: of these folders and of what they hold
  // besides the files of the result.
  static constexpr std::string_view kReserved = ".narrow-";
  // The file in it by which a result counts as complete.
  static constexpr const char* kRecordName = ".narrow-commit";

  // DIRECTORY/.narrow-<16 hexadecimal digits> of the result in `directory` of which the first file
  // is called `first_name`.
  static std::filesystem::path path_of(const std::filesystem::path& directory,
                                       const std::string& first_name);
  // Those that lie in `directory`; none when it cannot be listed.
  static std::vector<std::filesystem::path> all_in(const std::filesystem::path& directory);
  // Whether the record lies in the folder `path`, and that can be relied on.
  static bool is_recorded(const std::filesystem::path& path);

  // Locks the folder, which is made if it is missing. Nothing when another process holds it, or
  // when the directory around it is gone. Throws Error(kIo) when the directory cannot be written or
  // the folder belongs to a user who could not replace the result; Error(kUsage) when this process
  // holds it already.
  static std::optional<StagingFolder> make(const std::filesystem::path& path);
  // The same for a folder that somebody left. Nothing when there is none, another process holds it,
  // or it belongs to a user who could not replace the result. Throws Error(kIo).
  static std::optional<StagingFolder> take(const std::filesystem::path& path);

  ~StagingFolder();
  StagingFolder(StagingFolder&&) noexcept = default;
  StagingFolder& operator=(StagingFolder&& other) noexcept;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Removes the files in it, the record first. Throws Error(kIo).
  void clear() const;
  // Removes it as far as that is possible. It is of no use then.
  void remove() noexcept;

 private:
  StagingFolder(std::filesystem::path path, DirectoryLock lock);

  std::filesystem::path path_;
  DirectoryLock lock_;
};

}  // namespace narrow
