#include "base/temporary_folder.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <system_error>

#include "narrow/error.h"

namespace narrow {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string path = (fs::temp_directory_path() / "narrow-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) {
    throw Error(ErrorCategory::kIo,
                fmt::format("cannot create a folder in {}; set TMPDIR to one that is writable",
                            fs::temp_directory_path().string()));
  }
  path_ = path;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace narrow
