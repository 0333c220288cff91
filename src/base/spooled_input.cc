#include "base/spooled_input.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>

#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/special_file.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using FileIdentity = std::pair<dev_t, ino_t>;

}  // namespace

std::shared_ptr<const FileDescriptor> spooled_input(const std::filesystem::path& path,
                                                    FileDescriptor opened) {
  static std::mutex mutex;
  static std::map<FileIdentity, std::weak_ptr<const FileDescriptor>> kept;
  // A shell's pipe is read through the shell's descriptor, which knows whether there was a writer.
  const std::optional<int> inherited = named_descriptor(path);
  const int fd = inherited.value_or(opened.get());
  struct stat info {};
  const bool is_known = ::fstat(fd, &info) == 0;
  if (!is_known || !(S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode))) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} is {}, but a file or a pipe is needed", path.string(),
                            special_kind(path).value_or("a socket")));
  }
  const std::lock_guard lock(mutex);
  std::weak_ptr<const FileDescriptor>& known = kept[{info.st_dev, info.st_ino}];
  if (auto spooled = known.lock()) return spooled;
  // Until its first writer, a FIFO that was opened without waiting looks as if it had ended.
  if (!inherited) wait_until_ready(fd, POLLIN);
  auto spooled = std::make_shared<const FileDescriptor>(spool(fd, path));
  known = spooled;
  return spooled;
}

}  // namespace narrow
