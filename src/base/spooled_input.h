// Input that can be read once only, kept for readers that go back and forth.
#pragma once

#include <filesystem>
#include <memory>

#include "base/file.h"

namespace narrow {

// A temporary file with all that comes out of the pipe or socket `path`, which `opened` is a
// descriptor of if there is one. The same file again as long as somebody holds it: whoever comes
// second would find the pipe empty. Throws Error(kUnsupported) for a directory or a device, kIo.
std::shared_ptr<const FileDescriptor> spooled_input(const std::filesystem::path& path,
                                                    FileDescriptor opened);

}  // namespace narrow
