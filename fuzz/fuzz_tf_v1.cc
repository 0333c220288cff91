// A TensorFlow V1 checkpoint, as it comes and with right checksums.
#include "checkpoint/container/formats.h"
#include "table_fuzz.h"

namespace {

using narrow::MemoryDirectory;

void open_file(const MemoryDirectory& directory, int file, std::string_view bytes) {
  MemoryDirectory::put(file, bytes);
  try {
    narrow::read_everything(*narrow::open_tensorflow_v1(
        {.format = narrow::CheckpointFormat::kTensorFlowV1, .path = directory / "m"}));
  } catch (const narrow::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryDirectory directory;
  static const int file = directory.add("m");
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  open_file(directory, file, bytes);
  open_file(directory, file, narrow::sealed(bytes));
  return 0;
}
