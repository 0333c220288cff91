// The text file `checkpoint` in which TensorFlow notes the newest checkpoints of a directory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace narrow {

inline constexpr const char* kStateFileName = "checkpoint";

// The prefix that the state file in `directory` calls the newest. A relative path is taken from
// `directory`. A path that no longer leads to a checkpoint although one of its name lies in
// `directory` means that one: directories with absolute paths get moved.
// Finishes before what interrupted runs left (finish_checkpoints).
// Throws Error(kNotFound) without a state file, or when it cannot be used.
std::filesystem::path newest_in_state_file(const std::filesystem::path& directory);

// The checkpoints in `directory`, whatever its state file says, as part of a sentence:
// "model.ckpt-0, model.ckpt-23" or "no TensorFlow checkpoint".
std::string list_prefixes(const std::filesystem::path& directory);

// The content of a state file in `directory` after the checkpoint `name` was written there: it is
// the newest, after those that the present state file lists.
std::string state_file_text(const std::filesystem::path& directory, const std::string& name);

// Deletes the oldest of the checkpoints PREFIX<number> that the state file of `directory` lists,
// all but the newest `keep`, and then takes them off the list. What the list says of other names or
// of other directories is neither deleted nor changed; files that are gone already are no concern.
// Other processes that write checkpoints there wait meanwhile. Throws Error(kIo) when the state
// file cannot be replaced.
void keep_newest_checkpoints(const std::filesystem::path& directory, std::string_view prefix,
                             std::size_t keep);

}  // namespace narrow
