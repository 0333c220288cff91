// TFLite models: whatever the bytes are, an Error or tensors that can be read.
#include "fuzz_checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return narrow::read_whole_checkpoint(data, size, narrow::CheckpointFormat::kTflite,
                                       narrow::open_tflite);
}
