// The state file `checkpoint` of a directory, and the paths in it.
#include "checkpoint/tensorflow/state_file.h"
#include "table_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const narrow::MemoryDirectory directory;
  static const int file = directory.add("checkpoint");
  narrow::MemoryDirectory::put(file, {reinterpret_cast<const char*>(data), size});
  try {
    narrow::locate_checkpoint(directory.path());
  } catch (const narrow::Error&) {
  }
  // What is written for the next checkpoint can be read and keeps to its name.
  narrow::MemoryDirectory::put(file, narrow::state_file_text(directory.path(), "next"));
  try {
    narrow::newest_in_state_file(directory.path());
    std::abort();
  } catch (const narrow::Error& error) {
    if (std::string_view(error.what()).find("names next") == std::string_view::npos) std::abort();
  }
  return 0;
}
