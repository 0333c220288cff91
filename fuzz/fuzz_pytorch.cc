#include "fuzz_checkpoint.h"

// The two forms of torch.save: ZIP archives and streams of pickles.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return narrow::read_whole_checkpoint(data, size, narrow::CheckpointFormat::kPyTorch,
                                       narrow::open_pytorch);
}
