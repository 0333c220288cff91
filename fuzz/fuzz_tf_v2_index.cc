// The index of a TensorFlow V2 checkpoint, as it comes and with right checksums.
#include "checkpoint/container/formats.h"
#include "table_fuzz.h"

namespace {

using narrow::MemoryDirectory;

void open_index(const MemoryDirectory& directory, int file, std::string_view bytes) {
  MemoryDirectory::put(file, bytes);
  try {
    narrow::read_everything(*narrow::open_tensorflow_v2(
        {.format = narrow::CheckpointFormat::kTensorFlowV2, .path = directory / "m"}));
  } catch (const narrow::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryDirectory directory;
  static const int index = directory.add("m.index");
  static const bool with_data = [] {
    MemoryDirectory::put(directory.add("m.data-00000-of-00001"), std::string(1 << 15, '\0'));
    return true;
  }();
  static_cast<void>(with_data);
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  open_index(directory, index, bytes);
  open_index(directory, index, narrow::sealed(bytes));
  return 0;
}
