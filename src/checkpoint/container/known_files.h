// What people hand over instead of a checkpoint: files that other programs write or servers send.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"

namespace narrow {

// What `file` is, by its content, and what to do about it, as the rest of a sentence that begins
// with its name: "is a Git LFS pointer, not the file itself; git lfs pull fetches that". Nothing
// for a file that is nothing known. Throws Error(kIo).
std::optional<std::string> describe_known_file(const InputFile& file);

// The same of a ZIP archive, by the names of its members, of which one at least is no NPY array.
std::string describe_zip(std::span<const std::string> member_names);

}  // namespace narrow
