#include "fuzz_checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return narrow::read_whole_checkpoint(data, size, narrow::CheckpointFormat::kHdf5,
                                       narrow::open_hdf5);
}
