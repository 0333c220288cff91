// Names and times of TensorBoard's event files.
#pragma once

#include <filesystem>
#include <string>

namespace narrow {

// Seconds since 1970.
double wall_time();

// A name that no file in `directory` has: "events.out.tfevents.SECONDS.HOST", followed by a
// number when needed. TensorBoard finds files by "tfevents" in their name and orders them by it.
std::string free_event_file_name(const std::filesystem::path& directory, double seconds);

}  // namespace narrow
