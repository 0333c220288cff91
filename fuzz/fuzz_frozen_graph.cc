// Frozen TensorFlow graphs: whatever the bytes are, an Error or constants that can be read.
#include "checkpoint/container/formats.h"
#include "checkpoint/memory_file.h"
#include "table_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const narrow::MemoryFile file(std::as_bytes(std::span(data, size)));
  narrow::looks_like_frozen_graph(narrow::InputFile(file.path()));
  try {
    narrow::read_everything(
        *narrow::open_frozen_graph({narrow::CheckpointFormat::kFrozenGraph, file.path()}));
  } catch (const narrow::Error& error) {
    if (error.what()[0] == '\0') std::abort();
  }
  return 0;
}
