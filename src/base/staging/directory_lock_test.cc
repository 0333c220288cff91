#include "base/staging/directory_lock.h"

#include <optional>

#include "base/testing/staging_files.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;
using Mode = DirectoryLock::Mode;

using DirectoryLockTest = ResultTest;

bool can_lock(const fs::path& directory, Mode mode) {
  return DirectoryLock::try_lock(directory, mode).has_value();
}

TEST_F(DirectoryLockTest, ExcludesOthersUntilItGoes) {
  auto lock = std::make_optional(DirectoryLock::lock(root_, Mode::kExclusive));
  EXPECT_FALSE(can_lock(root_, Mode::kExclusive));
  EXPECT_FALSE(can_lock(root_, Mode::kShared));
  std::optional<DirectoryLock> moved(std::move(lock));
  EXPECT_FALSE(can_lock(root_, Mode::kShared));
  moved.reset();
  lock.reset();
  const auto shared = DirectoryLock::lock(root_, Mode::kShared);
  EXPECT_TRUE(can_lock(root_, Mode::kShared));
  EXPECT_FALSE(can_lock(root_, Mode::kExclusive));
  EXPECT_TRUE(tree().empty());
}

TEST_F(DirectoryLockTest, KnowsWhetherTheNameIsStillThatOfTheDirectory) {
  fs::create_directory(root_ / "d");
  const auto lock = DirectoryLock::lock(root_ / "d", Mode::kExclusive);
  EXPECT_TRUE(lock.is_on(root_ / "d"));
  fs::rename(root_ / "d", root_ / "e");
  EXPECT_FALSE(lock.is_on(root_ / "d"));
  EXPECT_TRUE(lock.is_on(root_ / "e"));
  fs::create_directory(root_ / "d");
  EXPECT_FALSE(lock.is_on(root_ / "d"));
}

TEST_F(DirectoryLockTest, NeedsADirectory) {
  put(root_ / "file", "");
  for (const fs::path& path : {root_ / "missing", root_ / "file"}) {
    try {
      DirectoryLock::try_lock(path, Mode::kShared);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::kNotFound);
    }
  }
}

// A directory that may be written but not read cannot be locked itself.
TEST_F(DirectoryLockTest, IsOnAFileWhereTheDirectoryRefuses) {
  fs::create_directory(root_ / "drop");
  fs::permissions(root_, fs::perms::all);
  fs::permissions(root_ / "drop", fs::perms::owner_write | fs::perms::owner_exec |
                                      fs::perms::others_write | fs::perms::others_exec);
  const int status = status_of(start_child([&] {
    if (!become_nobody()) return 2;
    const fs::path drop = root_ / "drop";
    auto lock = std::make_optional(DirectoryLock::lock(drop, Mode::kExclusive));
    if (can_lock(drop, Mode::kExclusive) || can_lock(drop, Mode::kShared)) return 3;
    if (!lock->is_on(drop)) return 4;
    lock.reset();
    return can_lock(drop, Mode::kExclusive) ? 0 : 5;
  }));
  EXPECT_EQ(status, 0);
  fs::permissions(root_ / "drop", fs::perms::owner_all);
  EXPECT_EQ(tree(), (Contents{{"drop", "<empty>"}}));
}

}  // namespace
}  // namespace narrow
